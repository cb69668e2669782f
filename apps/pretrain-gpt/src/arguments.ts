// Megatron's command lines as our parser takes them: presets first, each flag once.

import { UserError } from "@tessera/config";
import { presetNames, presetOf } from "./presets.js";

/** Flags that stand for others, by what these are for the words that follow. */
const EXPANSIONS: Readonly<Record<string, (words: readonly string[]) => readonly string[]>> = {
  "num-key-value-heads": (words) => ["--group-query-attention", "--num-query-groups", ...words],
  "enable-zbh1-pipeline": () => ["--pipeline-schedule", "zero-bubble"],
  "activations-checkpoint-method": (words) => [
    ...["--recompute-granularity", "full", "--recompute-method"],
    ...words,
  ],
};

/** A flag with the words that follow it; the first piece of a line may have none. */
type Piece = readonly [flag: string, ...values: string[]];

/** Throws a UserError for a preset that there is not. */
export function arrange(line: readonly string[]): readonly string[] {
  const given = piecesOf(expand(piecesOf(line)));
  const preset = given.findLast(([flag]) => nameOf(flag) === "preset")?.[1];
  const all = [...(preset === undefined ? [] : piecesOf(argumentsOf(preset))), ...given];
  return [...new Map(all.map((piece) => [nameOf(piece[0]), piece])).values()].flat();
}

const expand = (pieces: readonly Piece[]): readonly string[] =>
  pieces.flatMap(([flag, ...words]) => EXPANSIONS[nameOf(flag)]?.(words) ?? [flag, ...words]);

function argumentsOf(preset: string): readonly string[] {
  const name = presetNames.find((one) => one === preset);
  if (name !== undefined) return presetOf(name).arguments;
  throw new UserError(`--preset ${preset}: must be one of ${presetNames.join(", ")}`);
}

const isFlag = (word: string): boolean => word.startsWith("--");

/** "tensor" of --tensor=3. Words before the first flag are named by themselves. */
const nameOf = (flag: string): string => (isFlag(flag) ? flag.slice(2).split("=")[0]! : flag);

function piecesOf(line: readonly string[]): Piece[] {
  const pieces: [string, ...string[]][] = [];
  for (const word of line) {
    const open = pieces.at(-1);
    if (isFlag(word) || word === "-h" || open === undefined) pieces.push([word]);
    else open.push(word);
  }
  return pieces.flatMap(([flag, ...values]): Piece[] => {
    const [head, value] = [flag.split("=")[0]!, flag.slice(flag.indexOf("=") + 1)];
    return [flag.includes("=") ? [head, value, ...values] : [flag, ...values]];
  });
}
