/** Apps that take part in a simulation: those that hear of changes, fetch them and keep subscriptions alive. */
export type SimulatedApp = 'trigger-service' | 'oauth-service' | 'webhook-ingress';

export type ToApp = { id: number } & ({ kind: 'clock'; now: string } | { kind: 'die'; afterAwaits: number });

export type FromApp = { kind: 'ready' } | { kind: 'done'; id: number };
