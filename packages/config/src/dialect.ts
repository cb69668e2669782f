// Dialects: the same flags under the names that users of another program know them by.

import type { Flag } from "./flag.js";

/** A dialect's name for each flag. */
export type FlagNames<F> = { readonly [K in keyof F]: string };

/** `flags` under the names of a dialect. */
export function nameFlags<
  F extends Readonly<Record<string, Flag<unknown>>>,
  const N extends FlagNames<F>,
>(flags: F, names: N): { readonly [K in keyof F as N[K]]: F[K] } {
  const named = Object.entries(flags).map(([field, flag]) => [names[field], flag] as const);
  return Object.fromEntries(named) as { readonly [K in keyof F as N[K]]: F[K] };
}

/** The values of a dialect's flags under the names that `nameFlags` gave them other ones for. */
export function readFlags<V extends object, const N extends Readonly<Record<string, keyof V>>>(
  values: V,
  names: N,
): { readonly [K in keyof N]: V[N[K]] } {
  const fields = Object.entries(names).map(([field, name]) => [field, values[name]] as const);
  return Object.fromEntries(fields) as { readonly [K in keyof N]: V[N[K]] };
}
