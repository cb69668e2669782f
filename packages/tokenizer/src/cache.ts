// A bounded memory of what was computed before. Two generations: when the young one is full it
// becomes the old one, and what the old one held is forgotten unless it was asked for since.

export interface Cache<V> {
  get(key: string): V | undefined;
  set(key: string, value: V): void;
}

/** Holds at most 2 x `capacity` values. */
export function cache<V>(capacity: number): Cache<V> {
  let young = new Map<string, V>();
  let old = new Map<string, V>();
  const set = (key: string, value: V): void => {
    if (young.size >= capacity) {
      old = young;
      young = new Map();
    }
    young.set(key, value);
  };
  return {
    set,
    get: (key) => {
      const found = young.get(key);
      if (found !== undefined) return found;
      const kept = old.get(key);
      if (kept !== undefined) set(key, kept);
      return kept;
    },
  };
}
