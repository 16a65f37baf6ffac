import { expect, it } from '@jest/globals';
import { Batches } from './batches.js';

it('begins with the first at once, does together what is asked for meanwhile, and gives each its own result', async () => {
  const seen: number[][] = [];
  let release: () => void = () => undefined;
  const batches = new Batches<number, string>(async (items) => {
    seen.push(items);
    if (seen.length === 1) await new Promise<void>((resolve) => (release = resolve));
    return items.map((item) => `done ${item}`);
  }, 3);
  const first = batches.do(1);
  await Promise.resolve();
  await Promise.resolve();
  const others = [2, 3, 4, 5].map((item) => batches.do(item));
  release();
  expect(await Promise.all([first, ...others])).toEqual(['done 1', 'done 2', 'done 3', 'done 4', 'done 5']);
  expect(seen).toEqual([[1], [2, 3, 4], [5]]);
  expect(await batches.do(6)).toBe('done 6');
});

it('does one by one what failed together, so that one fails alone', async () => {
  const batches = new Batches<number, number>(async (items) => {
    if (items.includes(2)) throw new Error('not this one');
    return items;
  });
  const outcomes = await Promise.allSettled([1, 2, 3].map((item) => batches.do(item)));
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
});
