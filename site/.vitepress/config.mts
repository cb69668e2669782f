// The site: pages of docs/, in the order in which they teach, with a search that works offline.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig, type DefaultTheme } from "vitepress";

const DOCS = join(import.meta.dirname, "../../docs");

/** A tile of a mosaic, so that no file is asked for. */
const ICON =
  "data:image/svg+xml," +
  encodeURIComponent(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 4"><path fill="#3451b2" d="M0 0h2v2H0z"/><path fill="#f9d8a4" d="M2 2h2v2H2z"/></svg>',
  );

/** The packages of the API reference, which `npm run docs` makes. */
const api = (): DefaultTheme.SidebarItem[] => {
  const list = join(DOCS, "api/sidebar.json");
  return existsSync(list) ? JSON.parse(readFileSync(list, "utf8")) : [];
};

const page = (text: string, name: string): DefaultTheme.SidebarItem => ({
  text,
  link: `/${name}`,
});

export default defineConfig({
  title: "Tessera",
  description: "Typed training components for GPT models at scale",
  lang: "en",
  head: [["link", { rel: "icon", href: ICON }]],
  srcDir: "../docs",
  outDir: "build",
  cacheDir: "build/.cache",
  // The index of the search is one chunk.
  vite: { build: { chunkSizeWarningLimit: 2000 } },
  cleanUrls: false,
  lastUpdated: false,
  markdown: {
    theme: { light: "github-light-high-contrast", dark: "github-dark-high-contrast" },
    config(md) {
      // A drawing that is wider than the page scrolls, also by keys.
      const { image } = md.renderer.rules;
      if (image === undefined) return;
      md.renderer.rules.image = (...given) =>
        `<span class="drawing" tabindex="0">${image(...given)}</span>`;
    },
  },
  themeConfig: {
    search: { provider: "local" },
    outline: [2, 3],
    nav: [
      { text: "Tutorial", link: "/tutorial" },
      { text: "Concepts", link: "/ownership" },
      { text: "Guides", link: "/training" },
      { text: "API", link: "/api/" },
    ],
    sidebar: [
      { text: "Start", items: [page("Tutorial", "tutorial")] },
      {
        text: "Concepts",
        items: [
          page("Ownership of tensors", "ownership"),
          page("Parallelism", "parallelism"),
          page("Pipeline schedules", "schedules"),
          page("Architecture", "architecture"),
          page("Glossary", "glossary"),
        ],
      },
      {
        text: "Guides",
        items: [
          page("Training runs", "training"),
          page("Pretraining in three dimensions", "pretraining"),
          page("Fine-tuning", "finetuning"),
          page("For Megatron users", "megatron"),
          page("For Hugging Face users", "hugging_face"),
          page("For cluster administrators", "clusters"),
          page("A layer of your own", "own_layer"),
          page("What is installed", "packages"),
        ],
      },
      {
        text: "Evidence",
        items: [
          page("Performance", "performance"),
          page("What cannot happen here", "cannot_happen"),
        ],
      },
      { text: "API reference", collapsed: true, link: "/api/", items: api() },
    ],
  },
});
