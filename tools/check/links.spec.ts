import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brokenLinks } from './links.mjs';

let root = '';
const write = (file: string, text: string) => writeFileSync(join(root, file), text);

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'vane-links-'));
  mkdirSync(join(root, 'docs'));
  mkdirSync(join(root, 'node_modules'));
  write('docs/guide.md', '# The way of an event, step by step\n\n## `kept` words\n');
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('relative links', () => {
  it('that lead to files, folders and headings are right', async () => {
    write('README.md', '[a](docs/guide.md) [b](docs) [c](docs/guide.md#the-way-of-an-event-step-by-step) [d](#top "title")\n# Top\n[e](docs/guide.md#kept-words)\n[f]: docs/guide.md\n');
    expect(await brokenLinks(root)).toEqual([]);
  });

  it('to a missing file or heading are named with the file they stand in', async () => {
    write('docs/other.md', '[a](gone.md) [b](guide.md#no-such-heading) ![c](<picture.svg>)\n\n[d]: ../gone-too.md\n');
    expect(await brokenLinks(root)).toEqual(['docs/other.md: gone.md', 'docs/other.md: guide.md#no-such-heading', 'docs/other.md: picture.svg', 'docs/other.md: ../gone-too.md']);
  });

  it('in code, to other sites and in installed packages are not looked at', async () => {
    write('README.md', '`[a](gone.md)`\n\n```\n[b](gone.md)\n```\n\n[c](https://example.org/gone.md) [d](mailto:a@example.org)\n');
    write('node_modules/README.md', '[e](gone.md)');
    expect(await brokenLinks(root)).toEqual([]);
  });
});
