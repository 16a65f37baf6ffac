import { eventually } from '@vane/testing';
import { hasFailed, type Answer, type Member } from './refresh-member.js';
import type { RefreshHouse } from './refresh-house.js';

const CALLERS_PER_PROCESS = 2;
/** So many have to have come back from earlier kills before the next. */
const FEWEST_OTHERS = 5;
/** One of the process that died, one of its successor. */
const MOST_REQUESTS_AFTER_A_KILL = 2;

/** `refreshes`: requests the provider counted. `retriedCallers` had to ask more than once. `complaints` say what should not have happened. */
export type Round = { refreshes: number; failedCallers: number; retriedCallers: number; reuses: number; complaints: string[] };

/** Where the kill falls: the provider knows nothing yet, has answered, is about to be believed, has been believed. */
export type Step = 'before the request' | 'after the answer' | 'before the commit' | 'after the commit';

export const STEPS: Step[] = ['before the request', 'after the answer', 'before the commit', 'after the commit'];

/** Steps at which the provider has handed out a pair that we have not stored: a strict one then ends the grant. */
export const losesTokens = (step: Step): boolean => step === 'after the answer' || step === 'before the commit';

/** All processes are asked at once for an expired token: one refreshes, and everybody gets what it got. */
export async function calmRound(house: RefreshHouse): Promise<Round> {
  await house.expire();
  const before = await house.provider.counts();
  const { generation } = await house.row();
  const answers = await askAll(house, house.members);
  const after = await house.provider.counts();
  const failed = answers.filter(({ kind }) => kind !== 'token');
  const tokens = new Set(answers.map((answer) => (answer.kind === 'token' ? `${answer.generation}` : answer.kind)));
  const refreshes = after.tokenRequests - before.tokenRequests;
  const complaints = failed.slice(0, 1).map((answer) => `${failed.length} callers failed: ${describe(answer)}`);
  if (refreshes !== 1) complaints.push(`the provider saw ${refreshes} refresh requests instead of one`);
  if (failed.length === 0 && (tokens.size !== 1 || !tokens.has(String(generation + 1)))) complaints.push(`the callers got generations ${[...tokens].join(', ')}`);
  if (failed.length === 0) complaints.push(...(await checkToken(house, answers)));
  return { refreshes, failedCallers: failed.length, retriedCallers: 0, reuses: after.reusedRefreshTokens - before.reusedRefreshTokens, complaints };
}

/**
 * One process is held at `step` of its refresh, the others are asked meanwhile, and it is killed. They have to end with
 * a token or with the demand to connect again; which of both, the step decides.
 * `odd`: before the request, whether the process had declared it already. `patient`: they wait until the lease of the dead
 * has ended by itself, instead of its time being moved on. The killed process is started again meanwhile.
 */
export async function killRound(house: RefreshHouse, step: Step, victimIndex: number, { odd, patient }: { odd: boolean; patient: boolean }): Promise<Round> {
  const { members, provider } = house;
  const victim = members[victimIndex]!;
  await victim.start();
  const others = await eventually('Enough processes', async () => {
    const ready = members.filter((member) => member !== victim && member.ready);
    return ready.length >= FEWEST_OTHERS && ready;
  }, { timeoutMs: 60_000 });
  if ((await house.row()).status !== 'active') await house.connect();
  await provider.forgive();
  await house.expire();
  const before = await provider.counts();
  const hold = holdAt(house, step, odd, before.tokenRequests, (await house.row()).generation);
  await hold.prepare();
  // What the callers of a dead process are told is nobody's promise.
  void askAll(house, [victim]);
  await hold.reached();
  const asked = Promise.all(callersOf(others).map((member) => member.tokenInTheEnd(house.connection)));
  await hold.letGo?.();
  await victim.kill();
  await hold.release();
  if (!patient) await house.endLease();
  // Whoever next needs it waits for it, and is told when it does not start.
  victim.start().catch(() => undefined);
  const given = await asked;
  const answers = given.map(({ last }) => last);

  const after = await provider.counts();
  const refreshes = after.tokenRequests - before.tokenRequests;
  const complaints = await judge(house, step, answers);
  if (refreshes > MOST_REQUESTS_AFTER_A_KILL) complaints.push(`the provider saw ${refreshes} refresh requests`);
  const failed = given.filter(hasFailed);
  complaints.push(...failed.slice(0, 1).map(({ first }) => `${failed.length} callers failed, at first at least: ${describe(first)}`));
  const retriedCallers = given.filter(({ tries }) => tries > 1).length;
  return { refreshes, failedCallers: failed.length, retriedCallers, reuses: after.reusedRefreshTokens - before.reusedRefreshTokens, complaints };
}

async function judge(house: RefreshHouse, step: Step, answers: Answer[]): Promise<string[]> {
  const kinds = [...new Set(answers.map(({ kind }) => kind))];
  const { status, reason_code: code } = await house.row();
  if (losesTokens(step)) {
    if (kinds.join() !== 'auth_required' || status !== 'auth_required') return [`the connection is ${status}, callers were told: ${answers.map(describe).join('; ')}`];
    return code === 'maybe_lost' ? [] : [`the connection needs authorising, but its reason is ${code}, not that tokens may be lost`];
  }
  if (kinds.join() !== 'token' || status !== 'active') return [`nothing was lost, but the connection is ${status}, and callers were told: ${answers.map(describe).join('; ')}`];
  return checkToken(house, answers);
}

async function checkToken({ provider }: RefreshHouse, answers: Answer[]): Promise<string[]> {
  const answer = answers.find((one) => one.kind === 'token');
  return answer && (await provider.accepts(answer.accessToken)) ? [] : ['the provider does not accept the token that was handed out'];
}

/** `letGo` is done before the kill, `release` after it. */
type Hold = { prepare(): Promise<void>; reached(): Promise<void>; letGo?(): Promise<void>; release(): Promise<void> };

/** Everything is held from outside, so the process is killed where it should be and not about there. */
function holdAt(house: RefreshHouse, step: Step, odd: boolean, requestsBefore: number, generationBefore: number): Hold {
  const { gates, provider } = house;
  if (step === 'after the answer') {
    return {
      prepare: () => provider.keepNextAnswer(),
      reached: async () => {
        await eventually('The request', async () => (await provider.counts()).tokenRequests > requestsBefore, { everyMs: 5 });
      },
      release: async () => undefined,
    };
  }
  if (step === 'after the commit') {
    return {
      prepare: () => gates.shut('commit'),
      // The others are asked before it is let go on; what it does after the commit takes longer than to see it and to kill.
      reached: () => gates.held('commit'),
      letGo: async () => {
        await gates.open('commit');
        await eventually('The commit', async () => (await house.row()).generation > generationBefore, { everyMs: 1 });
      },
      release: async () => undefined,
    };
  }
  const gate = step === 'before the request' ? 'intent' : 'commit';
  return {
    prepare: () => gates.shut(gate),
    reached: () => gates.held(gate),
    release: () => (step === 'before the request' && odd ? gates.open(gate) : gates.drop(gate)),
  };
}

const callersOf = (members: Member[]): Member[] => members.flatMap((member) => Array.from({ length: CALLERS_PER_PROCESS }, () => member));

const askAll = ({ connection }: RefreshHouse, members: Member[]): Promise<Answer[]> => Promise.all(callersOf(members).map((member) => member.token(connection)));

const describe = (answer: Answer): string => (answer.kind === 'token' ? `a token of generation ${answer.generation}` : answer.message);
