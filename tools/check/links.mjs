import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const skipped = new Set(['node_modules', 'dist', '.git', '.nx', '.vane', 'coverage', 'generated']);

/** @param {string} folder @returns {string[]} */
function markdownFiles(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.isDirectory()) return skipped.has(entry.name) ? [] : markdownFiles(join(folder, entry.name));
    return entry.name.endsWith('.md') ? [join(folder, entry.name)] : [];
  });
}

/** What a heading is called in a link, as GitHub does it: https://docs.github.com/get-started/writing-on-github. @param {string} heading */
const anchorOf = (heading) => heading.toLowerCase().replace(/[^\p{Letter}\p{Number}\s_-]/gu, '').trim().replace(/\s/g, '-');

/** @param {string} text without what stands between fences or backticks */
const withoutCode = (text) => text.replace(/^(```|~~~)[\s\S]*?^\1/gm, '').replace(/`[^`\n]*`/g, '');

/** @param {string} path */
function anchorsIn(path) {
  const text = readFileSync(path, 'utf8').replace(/^(```|~~~)[\s\S]*?^\1/gm, '');
  const headings = [...text.matchAll(/^#{1,6} +(.*)$/gm)].map((match) => anchorOf(match[1] ?? ''));
  return new Set([...headings, ...[...text.matchAll(/(?:id|name)="([^"]+)"/g)].map((match) => match[1] ?? '')]);
}

/** @param {string} file @param {string} target @returns {boolean} */
function leadsSomewhere(file, target) {
  const [path = '', anchor] = target.split('#');
  const place = path === '' ? file : join(dirname(file), decodeURIComponent(path));
  if (!existsSync(place)) return false;
  return !anchor || !place.endsWith('.md') || anchorsIn(place).has(decodeURIComponent(anchor).toLowerCase());
}

/**
 * The relative links of every Markdown file under a folder that name no file, or no heading of the file they name.
 * @param {string} root @returns {Promise<string[]>} `file: target`
 */
export async function brokenLinks(root) {
  return markdownFiles(root).flatMap((file) => {
    const text = withoutCode(readFileSync(file, 'utf8'));
    const inline = [...text.matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g)].map((match) => match[1] ?? '');
    const defined = [...text.matchAll(/^\[[^\]]+\]:\s*<?(\S+?)>?\s*$/gm)].map((match) => match[1] ?? '');
    return [...inline, ...defined]
      .filter((target) => !/^([a-z][a-z0-9+.-]*:|\/\/)/i.test(target) && !leadsSomewhere(file, target))
      .map((target) => `${relative(root, file)}: ${target}`);
  });
}
