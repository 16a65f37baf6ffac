/** What a new script for this trigger type starts from. */
export const starterScript = `// Runs once for every event. \`event.payload\` is what Nextcloud sent: { event, user, time }.
// A rename or copy has event.source and event.target instead of event.node; what was deleted has no id.
export async function main(event, ctx) {
  const path = event.payload.event.node?.path ?? event.payload.event.target?.path;
  console.log(\`\${event.type} on \${path} by \${event.payload.user?.uid ?? 'nobody'}\`);

  // With account tokens switched on, ctx.auth holds { owner?, trigger? } for an hour, each { userId, token }. The event
  // carries no content: fetch it over WebDAV, at the address where you reach your Nextcloud.
  const account = ctx.auth?.owner;
  if (account && path) {
    // const file = path.split('/').slice(3).map(encodeURIComponent).join('/');
    // const response = await fetch(\`https://cloud.example.com/remote.php/dav/files/\${account.userId}/\${file}\`, {
    //   headers: { authorization: \`Bearer \${account.token}\` },
    // });
  }
  return { path };
}
`;
