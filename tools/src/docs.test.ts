// Files that the docs name are there, and links between them lead somewhere.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "@jest/globals";
import { ROOT } from "./packed.js";

const pages = [
  ...["README.md", "CONTRIBUTING.md", "examples/README.md"],
  ...readdirSync(join(ROOT, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name)),
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
/** Links to files, and to headings in them; those of the first page's front matter are as the site has them. */
const LINK = /\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g;
const FRONT_LINK = /^ +link: \/(\w+)$/gm;

/** The names that headings have in addresses. */
const anchorsOf = (page: string): string[] =>
  [...readFileSync(page, "utf8").matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} -]/gu, "")
      .replaceAll(" ", "-"),
  );

test.each(pages)("%s", (page) => {
  const text = readFileSync(join(ROOT, page), "utf8");
  const named = [...text.matchAll(NAMED)].map(([, path]) => path!);
  const isThere = (path: string) => basesOf(page).some((base) => existsSync(join(base, path)));
  const missing = named.filter((path) => !isPlaceholder(path) && !isThere(path));
  const links = [
    ...[...text.matchAll(LINK)].map(([, path, anchor]) => ({ path: path!, anchor })),
    ...[...text.matchAll(FRONT_LINK)].map(([, name]) => ({
      path: `${name!}.md`,
      anchor: undefined,
    })),
  ];
  const dead = links.filter(({ path, anchor }) => {
    const target = path === "" ? join(ROOT, page) : join(ROOT, dirname(page), path);
    if (!existsSync(target)) return true;
    return anchor !== undefined && !anchorsOf(target).includes(anchor);
  });
  expect({ missing, dead }).toEqual({ missing: [], dead: [] });
});
