/** What new scripts for Drive start from. */
export const driveScript = `// Runs once for every version of a file that Vane sees; of several quick changes the last one. \`event.type\` is file.changed
// or file.removed, \`event.payload.file\` the file: https://developers.google.com/workspace/drive/api/reference/rest/v3/files
export async function main(event, ctx) {
  const { file, fileId } = event.payload;
  if (event.type !== 'file.changed') {
    console.log(\`\${event.type}: \${fileId}\`);
    return { fileId };
  }
  console.log(\`\${file.name} (\${file.mimeType})\${file.trashed ? ' is in the trash' : ''}\`);
  return { fileId, name: file.name, link: file.webViewLink };
}
`;

/** What new scripts for the events of a calendar start from. */
export const calendarEventScript = `// Runs once for every state of an event that Vane sees; of several quick changes the last one. \`event.type\` is event.changed
// or event.cancelled, \`event.payload.event\` the event: https://developers.google.com/workspace/calendar/api/v3/reference/events
export async function main(event, ctx) {
  const { calendarId, event: entry } = event.payload;
  if (event.type === 'event.cancelled') return { calendarId, cancelled: entry.id };
  const start = entry.start?.dateTime ?? entry.start?.date;
  console.log(\`\${entry.summary ?? '(no title)'} at \${start}\`);
  return { calendarId, id: entry.id, start };
}
`;

/** What new scripts for the list of calendars start from. */
export const calendarListScript = `// Runs when a calendar comes into the account's list, changes there or leaves it. \`event.type\` is calendar.changed or
// calendar.removed: https://developers.google.com/workspace/calendar/api/v3/reference/calendarList
export async function main(event, ctx) {
  const { calendar } = event.payload;
  console.log(\`\${event.type}: \${calendar.summary ?? calendar.id}\`);
  return { id: calendar.id };
}
`;
