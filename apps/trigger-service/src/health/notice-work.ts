import { ID_KINDS } from '@vane/contracts';
import type { Work } from '../work-desk.js';
import type { ExpressionNotices } from './expression-notices.js';
import type { SubscriptionNotices } from './notices.js';

/** Tells people what they are owed: of the state of a subscription, or of a trigger's expressions. */
export class NoticeWork implements Work {
  readonly kind = 'notice';

  constructor(
    private readonly subscriptions: SubscriptionNotices,
    private readonly expressions: ExpressionNotices,
  ) {}

  due = async (limit: number): Promise<string[]> => {
    const found = await Promise.all([this.subscriptions.due(limit), this.expressions.due(limit)]);
    return found.flat().slice(0, limit);
  };

  do(id: string): Promise<boolean> {
    return id.startsWith(`${ID_KINDS.trigger}_`) ? this.expressions.do(id) : this.subscriptions.do(id);
  }
}
