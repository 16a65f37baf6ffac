import type { Picker, PickerPage } from '@vane/kit';
import { hasNextPage, readAs, repositories, request } from './answers.js';
import { events } from './events.js';

const PAGE_SIZE = 100;
/** GitHub cannot search in this list, so a search reads on; this bounds the calls of one question. */
const PAGES_A_CALL = 5;

/** Repositories the account administers: https://docs.github.com/en/rest/repos/repos#list-repositories-for-the-authenticated-user */
export const repositoriesPicker: Picker = {
  field: 'repository',
  async pick(http, { q = '', cursor }) {
    const wanted = q.trim().toLowerCase();
    const items: PickerPage['items'] = [];
    let page = Math.max(1, Math.trunc(Number(cursor)) || 1);
    for (const last = page + PAGES_A_CALL; page < last; page += 1) {
      const query = { per_page: PAGE_SIZE, page, sort: 'full_name' };
      const answer = await request(http, { method: 'GET', path: '/user/repos', query });
      const found = readAs(repositories, answer.json, 'a list of repositories');
      for (const { full_name: value, private: secluded, description, permissions } of found) {
        if (permissions?.admin === false || !value.toLowerCase().includes(wanted)) continue;
        const about = [secluded ? 'Private' : '', description ?? ''].filter((part) => part !== '').join('. ');
        items.push({ value, label: value, ...(about === '' ? {} : { description: about.slice(0, 200) }) });
      }
      if (!hasNextPage(answer, found.length, PAGE_SIZE)) return { items, next: null };
      if (items.length > 0) break;
    }
    // The loop ends past the last page it read, except when it broke off at it.
    return { items, next: String(items.length > 0 ? page + 1 : page) };
  },
};

/** The events known when this was written; others can be typed in. */
export const eventsPicker: Picker = {
  field: 'events',
  async pick(_http, { q = '' }) {
    const wanted = q.trim().toLowerCase();
    const items = Object.entries(events).map(([value, description]) => ({ value, label: value, description }));
    return { items: items.filter(({ value, description }) => `${value} ${description}`.toLowerCase().includes(wanted)), next: null };
  },
};
