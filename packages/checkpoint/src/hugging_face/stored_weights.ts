// The weights in a folder: model.safetensors, or several files and an index that says which tensor is in which. Names
// in an index are not trusted before they are checked.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "@tessera/config";
import { describeIssue } from "@tessera/config/issues";
import { readJson } from "@tessera/files";
import * as v from "valibot";
import { openSafetensors, type SafetensorsFile } from "../safetensors.js";

export const MODEL_FILE = "model.safetensors";
export const MODEL_INDEX = "model.safetensors.index.json";

/** A tensor in a file. */
export interface StoredTensor {
  readonly file: SafetensorsFile;
  /** What the file calls it. */
  readonly name: string;
}

export interface StoredWeights {
  /** By the names of the model itself. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  close(): void;
}

/** A file beside the index: no path. */
const FileName = v.pipe(v.string(), v.regex(/^[\w-][\w.-]*\.safetensors$/));

const Index = v.object({ weight_map: v.record(v.string(), FileName) });

/** Enough for the index of 100,000 tensors. */
const MAX_INDEX_BYTES = 2 ** 24;

/**
 * Opens the weights in `folder` and checks all headers. Where there is a single file, it is read even beside an index,
 * which may be older; so does `transformers`.
 *
 * @throws UserError that names the file.
 */
export function openWeights(folder: string): StoredWeights {
  const [single, index] = [join(folder, MODEL_FILE), join(folder, MODEL_INDEX)];
  if (existsSync(single) || !existsSync(index)) {
    const file = openSafetensors(single);
    return collect(
      [...file.shapes.keys()].map((name) => ({ file, name })),
      () => file.close(),
    );
  }
  const map = readIndex(index);
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
  return collect(
    Object.entries(map).map(([name, path]) => ({ file: files.get(path)!, name })),
    close,
  );
}

function readIndex(path: string): Readonly<Record<string, string>> {
  const parsed = v.safeParse(Index, readJson(path, MAX_INDEX_BYTES), { abortEarly: true });
  if (parsed.success) return parsed.output.weight_map;
  throw new UserError(
    `${path}: is no index of safetensors files in its folder: ${describeIssue(parsed.issues)}`,
  );
}

/** What torch.compile, DistributedDataParallel, FSDP and activation checkpointing put into names. */
const WRAPPERS = /(?<=^|\.)(_orig_mod|module|_fsdp_wrapped_module|_checkpoint_wrapped_module)\./g;

/** `stored` by the names that they have without wrappers. Throws a UserError where two have one name. */
function collect(stored: readonly StoredTensor[], close: () => void): StoredWeights {
  const tensors = new Map<string, StoredTensor>();
  for (const tensor of stored) {
    const plain = tensor.name.replace(WRAPPERS, "");
    const other = tensors.get(plain);
    if (other !== undefined) {
      close();
      throw new UserError(
        `${tensor.file.path}: has ${other.name} and ${tensor.name}, which are one tensor of the model; keep one`,
      );
    }
    tensors.set(plain, tensor);
  }
  return { tensors, close };
}
