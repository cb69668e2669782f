// Command-line flags as typed data: help, default, and how text becomes a value.

import { UserError } from "./errors.js";

/** A flag whose value has type `T`; undefined is in `T` where the flag has no default. */
export interface Flag<T> {
  readonly help: string;
  /** How the value is shown in the help: `N`, `FOLDER`. */
  readonly placeholder: string;
  readonly fallback: T;
  /** Whether the flag may be given without a value, as `--do_train` is. */
  readonly valueOptional: boolean;
  /** Whether it takes several values. */
  readonly many: boolean;
  readonly choices?: readonly string[];
  /** Whether messages leave the value out. Default: false. */
  readonly isSecret?: boolean;
  /**
   * The value of `texts`, which are one or, with `many`, several.
   * @throws UserError whose message ends the sentence "--flag VALUE: ...".
   */
  readonly parse: (texts: readonly string[]) => T;
}

/** Which numbers a flag takes. `min` and `max` are among them, `above` and `below` are not. Default: any. */
export interface NumberRange {
  readonly min?: number;
  readonly max?: number;
  readonly above?: number;
  readonly below?: number;
  /** Default: false. */
  readonly whole?: boolean;
}

/** A flag that takes one value. `parse` throws a UserError as `Flag` says. */
export function flag<T>(
  help: string,
  placeholder: string,
  fallback: T,
  parse: (value: string) => T,
): Flag<T> {
  return {
    help,
    placeholder,
    fallback,
    valueOptional: false,
    many: false,
    parse: ([value]) => parse(value ?? ""),
  };
}

/** A flag that takes text, which is not empty. */
export function text(help: string, placeholder: string): Flag<string | undefined>;
export function text(help: string, placeholder: string, fallback: string): Flag<string>;
export function text(help: string, placeholder: string, fallback?: string) {
  return flag<string | undefined>(help, placeholder, fallback, (value) => {
    if (value === "") throw new UserError("needs a value");
    return value;
  });
}

/** A flag that takes a number. */
export function number(help: string, range: NumberRange): Flag<number | undefined>;
export function number(help: string, range: NumberRange, fallback: number): Flag<number>;
export function number(help: string, range: NumberRange, fallback?: number) {
  return flag<number | undefined>(help, range.whole ? "N" : "X", fallback, (value) =>
    checkNumber(value, range),
  );
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function checkNumber(value: string, range: NumberRange): number {
  const n = Number(value);
  const { min = -Infinity, max = Infinity, above = -Infinity, below = Infinity, whole } = range;
  const fits = n >= min && n <= max && n > above && n < below;
  if (!NUMBER.test(value) || !Number.isFinite(n) || !fits || (whole && !Number.isSafeInteger(n))) {
    throw new UserError(`must be ${describe(range)}`);
  }
  return n;
}

function describe({ min, max, above, below, whole }: NumberRange): string {
  const bounds = [
    min === undefined ? "" : `at least ${min}`,
    above === undefined ? "" : `above ${above}`,
    max === undefined ? "" : `at most ${max}`,
    below === undefined ? "" : `below ${below}`,
  ].filter((bound) => bound !== "");
  const kind = whole ? "a whole number" : "a number";
  return bounds.length === 0 ? kind : `${kind}, ${bounds.join(" and ")}`;
}

/** A flag that takes one of several names, in any case. */
export function choice<const C extends string>(
  help: string,
  choices: readonly C[],
): Flag<C | undefined>;
export function choice<const C extends string>(
  help: string,
  choices: readonly C[],
  fallback: NoInfer<C>,
): Flag<C>;
export function choice<const C extends string>(
  help: string,
  choices: readonly C[],
  fallback?: C,
): Flag<C | undefined> {
  const parse = (value: string): C => {
    const found = choices.find((one) => one.toLowerCase() === value.toLowerCase());
    if (found === undefined) throw new UserError(`must be one of ${choices.join(", ")}`);
    return found;
  };
  return { ...flag<C | undefined>(help, "NAME", fallback, parse), choices };
}

/** One or more values, by repeating the flag or by listing them after it. */
export const list = (help: string, placeholder: string): Flag<readonly string[]> => ({
  ...flag<readonly string[]>(help, placeholder, [], (value) => [value]),
  many: true,
  parse: (values) => values,
});

/** On or off: `--x`, `--x true`, `--x=False`. */
export const toggle = (help: string, fallback: boolean): Flag<boolean> => ({
  ...flag(help, "BOOL", fallback, (value) => {
    const lower = value.toLowerCase();
    if (["", "true", "1", "yes", "on"].includes(lower)) return true;
    if (["false", "0", "no", "off"].includes(lower)) return false;
    throw new UserError("must be true or false");
  }),
  valueOptional: true,
});
