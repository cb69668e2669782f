// What runs share, by name, and sentences on what they do not.

/** What a run must share with one that continues it, by name. */
export type Identity = Readonly<Record<string, string | number>>;

/** "was trained with --lr 0.1, this run has 0.2; with --seed 1, this run has 2". */
export function describeChanges(
  changed: readonly string[],
  before: Identity,
  now: Identity,
  names: Readonly<Record<string, string>>,
): string {
  const parts = unique(changed, names).map(
    ([label, name]) => `with ${label} ${before[name]}, this run has ${now[name]}`,
  );
  return `was trained ${parts.join("; ")}`;
}

/** "--lr from 0.1 to 0.2, --seed from 1 to 2". */
export const listChanges = (
  changed: readonly string[],
  before: Identity,
  now: Identity,
  names: Readonly<Record<string, string>>,
): string =>
  unique(changed, names)
    .map(([label, name]) => `${label} from ${before[name]} to ${now[name]}`)
    .join(", ");

/** By the user's names, of which several settings may have one. */
const unique = (
  changed: readonly string[],
  names: Readonly<Record<string, string>>,
): readonly (readonly [label: string, name: string])[] =>
  [...new Map(changed.toReversed().map((name) => [names[name] ?? name, name]))].toReversed();
