// Megatron's datasets, and the cached indices of their samples.

import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openGptDataset, openIndexedDataset, type GptDatasetOptions } from "@tessera/data/megatron";
import { mutate } from "@tessera/testing";
import type { Target } from "./series.js";

const FIXTURES = join(__dirname, "../../../../../packages/data/fixtures/megatron");

export function indexedDataset(folder: string): Target {
  const prefix = join(folder, "notes");
  const [idx, bin] = ["idx", "bin"].map((ending) =>
    readFileSync(join(FIXTURES, `notes.${ending}`)),
  );
  return {
    name: "indexed datasets",
    share: 60,
    read(draw) {
      const isIndex = draw() < 0.8;
      writeFileSync(`${prefix}.idx`, isIndex ? mutate(idx!, draw, { head: 34 }) : idx!);
      writeFileSync(`${prefix}.bin`, isIndex ? bin! : mutate(bin!, draw));
      const dataset = openIndexedDataset(prefix);
      try {
        dataset.verify();
        dataset.largestToken();
        const { lengths } = dataset;
        for (let i = 0; i < lengths.length; i += 1) {
          const out = new Int32Array(lengths.at(i));
          dataset.read(i, 0, out.length, out);
        }
      } finally {
        dataset.close();
      }
    },
  };
}

/** Cached indices: damaged ones are built again, so samples are as they were. */
export function sampleIndices(folder: string): Target {
  const prefix = join(folder, "cached");
  const cacheFolder = join(folder, "cache");
  mkdirSync(cacheFolder);
  for (const ending of ["idx", "bin"]) {
    copyFileSync(join(FIXTURES, `notes.${ending}`), `${prefix}.${ending}`);
  }
  const options: GptDatasetOptions = {
    prefix,
    cacheFolder,
    name: "train",
    split: "100,0,0",
    sampleCount: 20,
    sequenceLength: 16,
    seed: 1,
  };
  let whole: ReadonlyMap<string, Buffer> | undefined;
  let first = "";
  const readSample = async (): Promise<string> => {
    const dataset = (await openGptDataset(options))!;
    const out = new Int32Array(17);
    dataset.read(3, out);
    dataset.close();
    return out.join(" ");
  };
  return {
    name: "cached indices",
    share: 1,
    async read(draw) {
      if (whole === undefined) {
        first = await readSample();
        const names = readdirSync(cacheFolder);
        whole = new Map(names.map((name) => [name, readFileSync(join(cacheFolder, name))]));
      }
      for (const [name, bytes] of whole) writeFileSync(join(cacheFolder, name), bytes);
      const [name, bytes] = [...whole][Math.floor(whole.size * draw())]!;
      writeFileSync(join(cacheFolder, name), mutate(bytes, draw, { head: 128 }));
      const sample = await readSample();
      if (sample !== first) throw new Error(`${name}: another sample, ${sample}`);
    },
  };
}
