// Flags of other programs: what is taken though it means nothing here, and what to do in place of the others.

import { UserError } from "./errors.js";
import type { Flag } from "./flag.js";

/** A flag that is taken with any value, because it changes nothing here. */
export const idle: Flag<null> = {
  help: "",
  placeholder: "VALUE",
  fallback: null,
  valueOptional: true,
  many: true,
  parse: () => null,
};

/**
 * A flag that is taken with the values that change nothing here, in any case, and refused with others. `answer` says
 * what to do in place of it.
 */
export const idleAt = (values: readonly string[], answer: string): Flag<null> => ({
  ...idle,
  parse(words) {
    const value = words.length === 0 ? "true" : words.join(" ").toLowerCase();
    if (values.includes(value)) return null;
    throw new UserError(answer);
  },
});

/** A flag that is refused. `answer` says what to do in place of it: "--text FILE reads files". */
export const refused = (answer: string): Flag<null> => idleAt([], answer);

/** A line for the user about flags that were taken but change nothing; none where there are none. */
export const describeIdle = (names: readonly string[]): readonly string[] =>
  names.length === 0
    ? []
    : [`${[...new Set(names)].map((name) => `--${name}`).join(", ")}: taken, but without use here`];
