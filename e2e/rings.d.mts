/** Where an instance keeps its rings, as settings: VANE_KEYS_OAUTH_FILE and its like. `dir` is the state directory. */
export function ringsOf(dir: string): Record<string, string>;

/** The secrets that an instance itself has: generated settings and the keys of its rings, by name. */
export function secretsOf(dir: string): Record<string, string>;
