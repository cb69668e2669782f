// The name that was likely meant.

import leven from "leven";

/** The name of `names` that is `typed` but for a few letters, or the only one that begins so. */
export function findNearest(typed: string, names: readonly string[]): string | undefined {
  const plain = (name: string): string => name.toLowerCase().replaceAll("_", "-");
  const [nearest] = names
    .map((name) => ({ name, edits: leven(plain(typed), plain(name)) }))
    .filter(({ name, edits }) => edits <= 3 && edits < 0.5 * Math.max(typed.length, name.length))
    .sort((a, b) => a.edits - b.edits);
  if (nearest !== undefined) return nearest.name;
  const longer = names.filter((name) => plain(name).startsWith(plain(typed)));
  return longer.length === 1 ? longer[0] : undefined;
}
