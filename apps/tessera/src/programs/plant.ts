// Hooks of Node's module loader that plant a fault in a file as it is loaded.

import type { InitializeHook, LoadHook } from "node:module";

/** A change of one place of a built file. */
export interface Planted {
  /** The end of the file's path. */
  readonly file: string;
  /** What the file has exactly once. */
  readonly from: string;
  readonly to: string;
}

let planted: Planted;

export const initialize: InitializeHook<Planted> = (fault) => void (planted = fault);

export const load: LoadHook = async (url, context, next) => {
  const loaded = await next(url, context);
  const { file, from, to } = planted;
  if (!url.endsWith(file)) return loaded;
  const { source } = loaded;
  const text = typeof source === "string" ? source : new TextDecoder().decode(source);
  const parts = text.split(from);
  if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times: ${from}`);
  return { ...loaded, source: parts.join(to) };
};
