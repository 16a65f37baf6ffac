import { divertLogs } from '@vane/runtime';
import { EXEMPTIONS } from './exemptions.js';
import { Findings } from './findings.js';
import { SecretMatcher } from './matcher.js';
import { keptSecrets } from './registry.js';

/** What apps in this process log from now on, at every level. Call before they start. */
export class WatchedLogs {
  private readonly lines: string[] = [];

  constructor() {
    divertLogs({ write: (line) => void this.lines.push(line) });
  }

  /** @throws Error when a secret that was kept so far stands in a line, or nothing was logged at all */
  expectNoSecrets(): void {
    if (this.lines.length === 0) throw new Error('Nothing was logged, so the logs were not watched.');
    const findings = new Findings(new SecretMatcher(keptSecrets()), EXEMPTIONS);
    for (const line of this.lines) findings.look('log', line);
    findings.expectNone('the logs of this test');
  }
}
