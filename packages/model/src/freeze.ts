// Models of which some parameters are not trained.

import { UserError } from "@tessera/config";
import { leaves, type ParamSpec, type Tree } from "@tessera/params";
import { freezeSpec, type IsFrozen } from "@tessera/params/frozen";
import type { Model } from "./model.js";
import { fullModel } from "./stage.js";

/** `model`, in which those parameters are frozen for whose path `isFrozen` is true, beside those that were. */
export function freeze<P extends Tree>(model: Model<P>, isFrozen: IsFrozen): Model<P> {
  return {
    ...model,
    chunk(options, layers) {
      const chunk = model.chunk(options, layers);
      return { ...chunk, spec: freezeSpec<P>(chunk.spec, isFrozen) };
    },
    ...(model.narrow && {
      narrow(positions: number) {
        const small = model.narrow!(positions);
        return { ...small, model: freeze(small.model, isFrozen) };
      },
    }),
  };
}

/**
 * `model`, in which those parameters are frozen whose path any of `patterns` matches; in these, `*` stands for any
 * characters: `embedding.*`.
 * @throws UserError for a pattern that matches none.
 */
export function freezeMatching<P extends Tree>(
  model: Model<P>,
  patterns: readonly string[],
): Model<P> {
  const paths = leaves<ParamSpec>(fullModel(model).spec).map(([path]) => path);
  const matchers = patterns.map((pattern) => {
    const matches = toMatcher(pattern);
    if (paths.some(matches)) return matches;
    throw new UserError(
      `${pattern}: no parameter has such a path; those of this model are like ${paths[0]} and ${paths.at(-1)}`,
    );
  });
  const frozen = freeze(model, (path) => matchers.some((matches) => matches(path)));
  return { ...frozen, settings: { ...model.settings, frozen: [...patterns].sort().join(" ") } };
}

function toMatcher(pattern: string): (path: string) => boolean {
  const parts = pattern.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const expression = new RegExp(`^${parts.join(".*")}$`);
  return (path) => expression.test(path);
}
