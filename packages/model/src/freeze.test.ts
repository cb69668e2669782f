// Which parameters patterns freeze.

import { expect, test } from "@jest/globals";
import { embedding, identity, linear } from "@tessera/layers";
import { leaves, type ParamSpec } from "@tessera/params";
import {
  freezeMatching,
  fullModel,
  transformer,
  type Model,
  type TransformerParams,
} from "./index.js";

const sizes = { vocabulary: 4, width: 2, std: 1 };
const about = {
  family: { name: "custom", fromConfig: () => model },
  config: {},
  identity: {},
  settings: { dropout: "0" },
  layerCount: 2,
  hiddenSize: 2,
};
const model: Model<TransformerParams> = transformer(about, {
  embedding: (parallel) => embedding({ ...sizes, positions: 3 }, parallel),
  drop: () => identity,
  block: () => linear({ inFeatures: 2, outFeatures: 2, std: 1 }),
  norm: () => identity,
  head: (parallel) => parallel.lmHead(sizes),
  isTied: false,
});

const frozenOf = (...patterns: string[]): readonly string[] =>
  leaves<ParamSpec>(fullModel(freezeMatching(model, patterns)).spec).flatMap(
    ([path, { isFrozen }]) => (isFrozen === true ? [path] : []),
  );

test("a pattern is a path, in which * stands for any characters", () => {
  expect(frozenOf("head.table")).toEqual(["head.table"]);
  expect(frozenOf("embedding.*")).toEqual(["embedding.token", "embedding.position"]);
  expect(frozenOf("*.bias", "blocks.0.*")).toEqual([
    "blocks.0.weight",
    "blocks.0.bias",
    "blocks.1.bias",
  ]);
  const twice = freezeMatching(freezeMatching(model, ["head.*"]), ["*.bias"]);
  expect(leaves<ParamSpec>(fullModel(twice).spec).filter(([, leaf]) => leaf.isFrozen)).toHaveLength(
    3,
  );
});

test("what is frozen is a setting of the run, whatever the order of patterns", () => {
  expect(freezeMatching(model, ["head.*", "*.bias"]).settings).toEqual({
    dropout: "0",
    frozen: "*.bias head.*",
  });
});

test.each(["head", "block.*", "embedding.tok", "blocks.0.weightx", "blocks[0].*"])(
  "%s, which no parameter has, is refused",
  (pattern) => {
    expect(() => freezeMatching(model, [pattern])).toThrow(
      `${pattern}: no parameter has such a path; those of this model are like embedding.token and head.table`,
    );
  },
);
