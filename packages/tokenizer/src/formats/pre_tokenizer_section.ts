// The pre-tokenizer of a tokenizer.json, as the steps that `createSplitter` takes.

import { UserError } from "@tessera/config";
import * as v from "valibot";
import { isKnownPattern, knownPatterns } from "../bpe/known_patterns.js";
import type { PreTokenizerStep } from "../bpe/pre_tokenizer.js";
import { splitBehaviors, type Split } from "../bpe/split.js";

const ByteLevel = v.object({
  type: v.literal("ByteLevel"),
  add_prefix_space: v.boolean(),
  use_regex: v.optional(v.boolean(), true),
});

const Step = v.variant("type", [
  ByteLevel,
  v.object({
    type: v.literal("Split"),
    pattern: v.union(
      [v.strictObject({ String: v.string() }), v.strictObject({ Regex: v.string() })],
      "must be a String or a Regex",
    ),
    behavior: v.picklist(splitBehaviors),
    invert: v.optional(v.boolean(), false),
  }),
  v.object({ type: v.literal("Digits"), individual_digits: v.optional(v.boolean(), false) }),
  v.object({ type: v.literal("Whitespace") }),
  v.object({ type: v.literal("WhitespaceSplit") }),
]);

type Step = v.InferOutput<typeof Step>;

export const PreTokenizer = v.variant("type", [
  ...Step.options,
  v.object({ type: v.literal("Sequence"), pretokenizers: v.array(Step) }),
]);

/** A character of a word, where tokenizers uses Rust's regular expressions and not Oniguruma's. */
const WORD = String.raw`\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}`;

/** @throws UserError for steps that do not end with ByteLevel, or have it twice. */
export function readSteps(
  section: v.InferOutput<typeof PreTokenizer>,
  path: string,
): readonly PreTokenizerStep[] {
  const steps = section.type === "Sequence" ? section.pretokenizers : [section];
  if (steps.findIndex(({ type }) => type === "ByteLevel") !== steps.length - 1) {
    throw new UserError(`${path}: pre_tokenizer must end with ByteLevel, and have it nowhere else`);
  }
  return steps.flatMap((step): readonly PreTokenizerStep[] => {
    if (step.type !== "ByteLevel") return [splitOf(step)];
    return [
      ...(step.add_prefix_space ? (["prefixSpace"] as const) : []),
      ...(step.use_regex ? (["gpt2"] as const) : []),
    ];
  });
}

function splitOf(step: Exclude<Step, { readonly type: "ByteLevel" }>): Split | "gpt2" {
  const isolate = { behavior: "Isolated", invert: false } as const;
  switch (step.type) {
    case "Split": {
      const { behavior, invert, pattern } = step;
      const regex = "Regex" in pattern ? pattern.Regex : escape(pattern.String);
      // Known patterns match all of a text, so that nothing is removed where the matches are kept.
      const keepsAll = behavior === "Removed" && invert && isKnownPattern(regex);
      if (!keepsAll && behavior !== "Isolated") return { regex, behavior, invert };
      return regex === knownPatterns.gpt2 ? "gpt2" : { regex, ...isolate };
    }
    case "Digits":
      return { ...isolate, regex: step.individual_digits ? "\\p{N}" : "\\p{N}+" };
    case "Whitespace":
      return { regex: `[${WORD}]+|[^${WORD}\\s]+`, behavior: "Removed", invert: true };
    case "WhitespaceSplit":
      return { regex: "\\s", behavior: "Removed", invert: false };
  }
}

const escape = (text: string): string =>
  text === "" ? "(?!)" : text.replace(/[\\^$.*+?()[\]{}|\-#&~\s]/g, String.raw`\$&`);

/** The section that `readSteps` reads as `steps`. */
export function writeSteps(steps: readonly PreTokenizerStep[]): object {
  const level = {
    type: "ByteLevel",
    add_prefix_space: steps.includes("prefixSpace"),
    trim_offsets: true,
    use_regex: steps.at(-1) === "gpt2",
  };
  const splits = steps.flatMap((step) => (typeof step === "string" ? [] : [writeSplit(step)]));
  // Before another step, GPT-2's pattern is a split of its own.
  if (steps.slice(0, -1).includes("gpt2")) {
    splits.unshift(writeSplit({ regex: knownPatterns.gpt2, behavior: "Isolated", invert: false }));
  }
  return splits.length === 0 ? level : { type: "Sequence", pretokenizers: [...splits, level] };
}

const writeSplit = ({ regex, behavior, invert }: Split): object => ({
  type: "Split",
  pattern: { Regex: regex },
  behavior,
  invert,
});
