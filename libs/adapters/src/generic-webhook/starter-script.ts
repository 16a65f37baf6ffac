/** What a new script for this trigger type starts from. */
export const starterScript = `// Runs once for every event. \`event.payload\` is the body the sender posted:
// parsed JSON, the fields of a form, or text, as the trigger says.
export async function main(event, ctx) {
  console.log(\`\${event.type} arrived\`);
  return { received: event.payload };
}
`;
