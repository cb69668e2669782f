// Files that the docs name are there, and links between them lead somewhere.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "@jest/globals";
import { ROOT } from "./packed.js";

const pages = [
  ...["README.md", "CONTRIBUTING.md", "examples/README.md"],
  ...readdirSync(join(ROOT, "docs")).map((name) => join("docs", name)),
  ...["packages", "apps"].flatMap((kind) =>
    readdirSync(join(ROOT, kind)).map((name) => join(kind, name, "README.md")),
  ),
].filter((page) => existsSync(join(ROOT, page)));

/** Where a page may mean a path from: the root, all packages, all apps, and its own folder. */
const basesOf = (page: string): string[] =>
  ["", "packages", "apps", dirname(page), join(dirname(page), "src")].map((base) =>
    join(ROOT, base),
  );

/** Paths with a folder in backquotes. One in capitals stands for any: `layers/src/LAYER.ts`. */
const NAMED = /`([\w.@-]+(?:\/[\w.@-]+)+\.(?:ts|mjs|md|json|cc|h))`/g;
const isPlaceholder = (path: string): boolean => /(^|\/)[A-Z]+(\.|\/)/.test(path);
const LINK = /\]\((?!https?:|#)([^)#\s]+)/g;

test.each(pages)("%s", (page) => {
  const text = readFileSync(join(ROOT, page), "utf8");
  const named = [...text.matchAll(NAMED)].map(([, path]) => path!);
  const isThere = (path: string) => basesOf(page).some((base) => existsSync(join(base, path)));
  const missing = named.filter((path) => !isPlaceholder(path) && !isThere(path));
  const links = [...text.matchAll(LINK)].map(([, path]) => path!);
  const dead = links.filter((path) => !existsSync(join(ROOT, dirname(page), path)));
  expect({ missing, dead }).toEqual({ missing: [], dead: [] });
});
