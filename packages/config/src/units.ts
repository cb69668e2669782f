// Units of numbers.

declare const unit: unique symbol;

/**
 * A number of something: `Quantity<"samples">`. A plain number may be of anything, but where quantities meet, those of
 * samples do not pass for steps, nor bytes for seconds. There is nothing of it at run time.
 */
export type Quantity<Unit extends string> = number & { readonly [unit]?: Unit };
