// The weights in a folder: model.safetensors, or several files and an index that says which tensor is in which. Names
// in an index are not trusted before they are checked.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "@tessera/config";
import { readJson } from "@tessera/files";
import * as v from "valibot";
import { describeIssue } from "../describe_issue.js";
import { openSafetensors, type SafetensorsFile } from "../safetensors.js";

export const MODEL_FILE = "model.safetensors";
export const MODEL_INDEX = "model.safetensors.index.json";

export interface StoredWeights {
  /** The file that has the tensor `name`, or undefined. */
  fileOf(name: string): SafetensorsFile | undefined;
  close(): void;
}

/** A file beside the index: no path. */
const FileName = v.pipe(v.string(), v.regex(/^[\w-][\w.-]*\.safetensors$/));

const Index = v.object({ weight_map: v.record(v.string(), FileName) });

/** Enough for the index of 100,000 tensors. */
const MAX_INDEX_BYTES = 2 ** 24;

/** Opens the weights in `folder` and checks all headers. Throws a UserError that names the file. */
export function openWeights(folder: string): StoredWeights {
  const [single, index] = [join(folder, MODEL_FILE), join(folder, MODEL_INDEX)];
  if (!existsSync(index)) {
    const file = openSafetensors(single);
    return {
      fileOf: (name) => (file.shapes.has(name) ? file : undefined),
      close: () => file.close(),
    };
  }
  const parsed = v.safeParse(Index, readJson(index, MAX_INDEX_BYTES), { abortEarly: true });
  if (!parsed.success) {
    throw new UserError(
      `${index}: is no index of safetensors files in its folder: ${describeIssue(parsed.issues)}`,
    );
  }
  const { weight_map: map } = parsed.output;
  const files = new Map<string, SafetensorsFile>();
  const close = () => files.forEach((file) => file.close());
  try {
    for (const name of new Set(Object.values(map))) {
      files.set(name, openSafetensors(join(folder, name)));
    }
    for (const [tensor, name] of Object.entries(map)) {
      if (files.get(name)!.shapes.has(tensor)) continue;
      throw new UserError(
        `${join(folder, name)}: has no tensor ${tensor}, which the index says it has`,
      );
    }
  } catch (error) {
    close();
    throw error;
  }
  return {
    fileOf: (name) => (Object.hasOwn(map, name) ? files.get(map[name]!) : undefined),
    close,
  };
}
