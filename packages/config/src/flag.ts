// What one command-line flag takes: how its text becomes a value, and what it says of itself.

import { UserError } from "./errors.js";

/** A flag whose value has type `T`. Without a default it may be left out, and is then undefined. */
export interface Flag<T> {
  readonly help: string;
  /** How the value is shown in the help: `N`, `FOLDER`. */
  readonly placeholder: string;
  readonly fallback: T;
  /** May stand without a value, as `--do_train` does. */
  readonly bare: boolean;
  /** Takes several values. */
  readonly many: boolean;
  readonly choices?: readonly string[];
  /** Throws a UserError that ends the sentence "--flag VALUE: ...". */
  readonly parse: (texts: readonly string[]) => T;
}

/** Which numbers a flag takes; the bounds belong to them unless they are said to be open. */
export interface NumberRange {
  readonly min?: number;
  readonly max?: number;
  readonly above?: number;
  readonly below?: number;
  readonly whole?: boolean;
}

/** The common parts of a flag that takes one value. */
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
    bare: false,
    many: false,
    parse: ([value]) => parse(value ?? ""),
  };
}

export function text(help: string, placeholder: string): Flag<string | undefined>;
export function text(help: string, placeholder: string, fallback: string): Flag<string>;
export function text(help: string, placeholder: string, fallback?: string) {
  return flag<string | undefined>(help, placeholder, fallback, (value) => {
    if (value === "") throw new UserError("needs a value");
    return value;
  });
}

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
    const found = choices.find((one) => one === value);
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
  bare: true,
});
