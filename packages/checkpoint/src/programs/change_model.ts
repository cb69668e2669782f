// Models of other files, changed, for tests of how they are loaded.

import { createHash } from "node:crypto";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gpt } from "@tessera/gpt";
import { leaves, type ParamSpec } from "@tessera/params";
import { openModel } from "../index.js";
import { openSafetensors } from "../safetensors.js";
import { writeSafetensors } from "../safetensors_writer.js";

const FIXTURES = join(__dirname, "../../../../fixtures");
export const LLAMA = join(FIXTURES, "hugging-face/llama");
export const GPT2 = join(FIXTURES, "golden");

export type Json = Readonly<Record<string, unknown>>;
export type Tensors = ReadonlyMap<
  string,
  { readonly shape: readonly number[]; readonly values: Float32Array }
>;

export function readTensors(folder: string): Tensors {
  const file = openSafetensors(join(folder, "model.safetensors"));
  const tensors = new Map(
    [...file.shapes].map(([name, shape]) => [name, { shape, values: file.read(name) }]),
  );
  file.close();
  return tensors;
}

export function writeTensors(path: string, tensors: Tensors): void {
  const list = [...tensors].map(([name, { shape, values }]) => ({
    name,
    shape,
    values: () => values,
  }));
  writeSafetensors(path, list);
}

export interface Changes {
  readonly config?: Json;
  readonly tensors?: (tensors: Tensors) => Tensors;
}

/** Writes the model in `from` with changes into `folder`. */
export function changeModel(from: string, folder: string, { config = {}, tensors }: Changes): void {
  cpSync(from, folder, { recursive: true });
  const path = join(folder, "config.json");
  const json = JSON.parse(readFileSync(path, "utf8")) as Json;
  writeFileSync(path, JSON.stringify({ ...json, ...config }));
  if (tensors !== undefined) {
    writeTensors(join(folder, "model.safetensors"), tensors(readTensors(from)));
  }
}

/** The configuration of the model in `folder`, and a digest of each parameter. */
export function digestModel(folder: string): unknown {
  const model = openModel(folder);
  try {
    const digests = leaves<ParamSpec>(gpt(model.config).spec).map(([path]) => {
      const values = model.valuesAt(path);
      return [path, createHash("sha1").update(new Uint8Array(values.buffer)).digest("hex")];
    });
    return { config: model.config, digests: Object.fromEntries(digests) as Json };
  } finally {
    model.close();
  }
}

export const rename =
  (to: (name: string) => string) =>
  (tensors: Tensors): Tensors =>
    new Map([...tensors].map(([name, tensor]) => [to(name), tensor]));

export const omit =
  (omitted: string) =>
  (tensors: Tensors): Tensors =>
    new Map([...tensors].filter(([name]) => name !== omitted));

/** Adds a copy of a tensor, whose elements are larger by `by`. */
export const copy =
  (from: string, to: string, by = 0) =>
  (tensors: Tensors): Tensors => {
    const { shape, values } = tensors.get(from)!;
    return new Map([...tensors, [to, { shape, values: values.map((value) => value + by) }]]);
  };
