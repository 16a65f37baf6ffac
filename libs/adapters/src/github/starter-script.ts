/** What a new script for this trigger type starts from. */
export const starterScript = `// Runs once for every event. \`event.type\` is GitHub's name of it (push, pull_request, issues, ...) and
// \`event.payload\` what GitHub sent: https://docs.github.com/en/webhooks/webhook-events-and-payloads
export async function main(event, ctx) {
  const { action, repository, sender } = event.payload;
  const what = action ? \`\${event.type} \${action}\` : event.type;
  console.log(\`\${what} in \${repository?.full_name} by \${sender?.login}\`);

  if (event.type === 'push') {
    const { ref, commits = [] } = event.payload;
    return { ref, commits: commits.map((commit) => commit.message) };
  }
  return { what };
}
`;
