import { describe, expect, it } from '@jest/globals';
import { parseEgressAllow } from './policy.js';

describe('VANE_EGRESS_ALLOW', () => {
  it('reads names, patterns, addresses and networks, with and without ports', () => {
    const list = ' 127.0.0.1:4000, 10.0.0.0/8,10.0.0.0/8:443,Nextcloud.LAN ,*.corp.example:8443,[::1]:80,::1,fd00::/8,[fd00::/8]:1,redis,';
    const shown = parseEgressAllow(list).map((entry) => {
      const what = entry.kind === 'network' ? entry.network.map(String).join('/') : entry.kind === 'name' ? entry.name : entry.suffix;
      return `${entry.kind} ${what} ${entry.port ?? 'any'}`;
    });
    expect(shown).toEqual([
      'network 127.0.0.1/32 4000',
      'network 10.0.0.0/8 any',
      'network 10.0.0.0/8 443',
      'name nextcloud.lan any',
      'suffix .corp.example 8443',
      'network ::1/128 80',
      'network ::1/128 any',
      'network fd00::/8 any',
      'network fd00::/8 1',
      'name redis any',
    ]);
  });

  it('is empty for an empty setting', () => {
    expect(parseEgressAllow(' , ')).toEqual([]);
  });

  it.each([
    ['http://nextcloud.lan', 'not a URL'],
    ['nextcloud.lan:', 'port must be a number'],
    ['nextcloud.lan:0', 'port must be a number'],
    ['nextcloud.lan:65536', 'port must be a number'],
    ['nextcloud.lan:http', 'port must be a number'],
    ['10.0.0.5/8', 'write 10.0.0.0/8'],
    ['10.0.0.0/33', 'a network is written like'],
    ['10.0.0/8', 'a network is written like'],
    ['10.0.0.0/8/8', 'a network is written like'],
    ['0.0.0.0/0', 'would switch the guard off'],
    ['::/0', 'would switch the guard off'],
    ['::ffff:10.0.0.0/104', 'IPv4'],
    ['*', 'a host is a name'],
    ['*.*.corp.example', 'a host is a name'],
    ['corp.*', 'a host is a name'],
    ['0x7f.1', 'a host is a name'],
    ['127.1', 'a host is a name'],
    ['2130706433', 'a host is a name'],
    ['a b', 'a host is a name'],
    ['user@host', 'a host is a name'],
    ['[::1', 'brackets go around'],
    ['[nextcloud.lan]:80', 'brackets go around'],
  ])('refuses the entry %s and says what is wrong', (entry, problem) => {
    expect(() => parseEgressAllow(`10.0.0.0/8,${entry}`)).toThrow(problem);
    expect(() => parseEgressAllow(entry)).toThrow(`"${entry}"`);
  });
});
