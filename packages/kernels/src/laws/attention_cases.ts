// What the tests run attention on.

import type { Shape } from "../kernel.js";
import { key, type Case } from "./case.js";

interface AttentionExtents {
  readonly batch: number;
  readonly time: number;
  readonly heads: number;
  readonly groups: number;
  readonly depth: number;
  readonly rate: number;
  /** Default: none. */
  readonly window?: number;
}

/** With dropout, the call holds the last rows and heads of a larger tensor. */
export const attention = ({
  batch,
  time,
  heads,
  groups,
  depth,
  rate,
  window = Infinity,
}: AttentionExtents): Case[] => {
  const query: Shape = [batch, time, heads, depth];
  const keyValue: Shape = [batch, time, 2, groups, depth];
  const slice = {
    shape: [batch + 2, heads + 1, time, time],
    start: [2, 1, 0, 0],
    size: [batch, heads, time, time],
    key,
  };
  const attributes = { ...slice, scale: 1 / Math.sqrt(depth), window, rate };
  const starts = { starts: [[batch, time], "starts"] } as const;
  return [{}, starts].flatMap((optional): Case[] => {
    const inputs: Case["inputs"] = { query: [query], keyValue: [keyValue], ...optional };
    const given = { y: [query], logSumExp: [query.slice(0, 3)], dy: [query] } as const;
    return [
      { kernel: "TesseraCausalAttention", inputs, attributes },
      { kernel: "TesseraCausalAttentionGradient", inputs: { ...inputs, ...given }, attributes },
    ];
  });
};

/** Some rows of a cache, which hold different numbers of tokens; with a window, more of them than the cache. */
export const continued = (
  at: Omit<AttentionExtents, "batch" | "rate">,
  lengths: number[],
): Case => {
  const { time, heads, groups, depth, window = Infinity } = at;
  const room = window === Infinity ? Math.max(...lengths) + time : window;
  const batch = lengths.length;
  return {
    kernel: "TesseraCachedAttention",
    inputs: {
      query: [[batch, time, heads, depth]],
      keyValue: [[batch, time, 2, groups, depth]],
      cache: [[batch + 2, 2, groups, room + 3, depth]],
    },
    attributes: { scale: 1 / Math.sqrt(depth), window, firstRow: 1, lengths },
  };
};
