// The site as it is built, in a browser: light and dark, wide and narrow.

import { createReadStream, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { runNode, scratchFolder } from "@tessera/testing";
import type { AxeResults } from "axe-core";
import puppeteer, { type Browser, type Page } from "puppeteer-core";

const ROOT = join(__dirname, "../..");
const AXE = join(ROOT, "node_modules/axe-core/axe.min.js");
const BROWSERS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const program = BROWSERS.find((path) => existsSync(path));
const site = scratchFolder("site")("build");

const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};

/** Serves the built site, and nothing else. */
const serve = (): Server =>
  createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const file = resolve(site, `.${decodeURIComponent(pathname)}`);
    const path = pathname.endsWith("/") ? join(file, "index.html") : file;
    if (!path.startsWith(site) || !existsSync(path)) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "application/octet-stream" });
    createReadStream(path).pipe(response);
  });

const server = serve();
let address: string;

beforeAll(async () => {
  for (const words of [
    [join(ROOT, "site/dist/reference.js")],
    [
      join(ROOT, "node_modules/vitepress/bin/vitepress.js"),
      "build",
      "site",
      "--outDir",
      site,
      "--minify",
      "false",
    ],
  ]) {
    const { status, stderr } = runNode(words, { cwd: ROOT });
    if (status !== 0) throw new Error(stderr);
  }
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
});

const htmlFiles = (): string[] =>
  readdirSync(site, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".html"));

test("every page of docs/ and every entry point has a page", () => {
  const pages = readdirSync(join(ROOT, "docs")).filter((name) => name.endsWith(".md"));
  const built = htmlFiles();
  expect(built).toEqual(expect.arrayContaining(pages.map((name) => name.replace(".md", ".html"))));
  expect(built.filter((name) => name.startsWith("api/@tessera/")).length).toBeGreaterThan(40);
});

test("no link of the site is dead, and no address is of elsewhere but in links", () => {
  const ids = new Map(
    htmlFiles().map((name) => {
      const html = readFileSync(join(site, name), "utf8");
      return [name, new Set([...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id!))] as const;
    }),
  );
  const dead: string[] = [];
  for (const name of ids.keys()) {
    const html = readFileSync(join(site, name), "utf8");
    for (const [, tag, text] of html.matchAll(/<(\w+)[^>]* (?:href|src)="([^"]+)"/g)) {
      if (text!.startsWith("data:")) continue;
      const url = new URL(text!.replaceAll("&amp;", "&"), `http://site/${name}`);
      if (url.host !== "site") {
        if (tag !== "a") dead.push(`${name}: ${text!}`);
        continue;
      }
      const path = decodeURIComponent(url.pathname).replace(/\/$/, "/index.html").slice(1);
      const isThere = existsSync(join(site, path)) && statSync(join(site, path)).isFile();
      const anchor = decodeURIComponent(url.hash.slice(1));
      if (!isThere || (anchor !== "" && !ids.get(path)?.has(anchor)))
        dead.push(`${name}: ${text!}`);
    }
  }
  expect([...new Set(dead)]).toEqual([]);
});

(program === undefined ? describe.skip : describe)("in a browser", () => {
  let browser: Browser;
  let page: Page;
  const complaints: string[] = [];

  beforeAll(async () => {
    browser = await puppeteer.launch({
      executablePath: program!,
      timeout: 120_000,
      args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
    });
    page = await browser.newPage();
    page.setDefaultTimeout(120_000);
    page.on("console", (message) => {
      if (["error", "warn"].includes(message.type())) complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("requestfailed", (request) => complaints.push(request.url()));
    page.on("request", (request) => {
      if (!/^(data:|blob:)/.test(request.url()) && !request.url().startsWith(address)) {
        complaints.push(`asks for ${request.url()}`);
      }
    });
  });
  afterAll(() => browser.close());

  const pages = [
    ...readdirSync(join(ROOT, "docs"))
      .filter((name) => name.endsWith(".md"))
      .map((name) => name.replace(".md", ".html")),
    "api/index.html",
    "api/@tessera/mesh.html",
  ];

  test.each([
    { scheme: "light", width: 1280 },
    { scheme: "dark", width: 390 },
  ])("pages are whole, quiet and readable: $scheme, $width wide", async ({ scheme, width }) => {
    await page.setViewport({ width, height: 900 });
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    const found: Record<string, unknown> = {};
    for (const name of pages) {
      complaints.length = 0;
      await page.goto(`${address}/${name}`, { waitUntil: "load" });
      await page.addScriptTag({ path: AXE });
      const violations = await page.evaluate(async () => {
        const { axe } = globalThis as unknown as {
          axe: { run: (...given: unknown[]) => Promise<AxeResults> };
        };
        const { violations: all } = await axe.run(document, {
          runOnly: { type: "tag", values: ["wcag2a", "wcag2aa"] },
        });
        return all.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
      });
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      const isDark = await page.evaluate(() => document.documentElement.classList.contains("dark"));
      const broken = await page.evaluate(() =>
        [...document.images].filter(({ naturalWidth }) => naturalWidth === 0).map(({ src }) => src),
      );
      expect(isDark).toBe(scheme === "dark");
      if (violations.length + complaints.length + broken.length + overflow > 0) {
        found[name] = { violations, complaints: [...complaints], broken, overflow };
      }
    }
    expect(found).toEqual({});
  });

  test("the search finds words of pages and names of the reference", async () => {
    await page.setViewport({ width: 1280, height: 900 });
    await page.goto(`${address}/`, { waitUntil: "load" });
    // A key that is pressed before the page's program runs is lost, as on every slow machine.
    await page.waitForFunction(() => "__vue_app__" in (document.querySelector("#app") ?? {}));
    for (const [word, expected] of [
      ["zero bubble", /schedules\.html/],
      ["rankMemory", /api\/@tessera\/data-parallel\.html/],
    ] as const) {
      await page.keyboard.down("Control");
      await page.keyboard.press("k");
      await page.keyboard.up("Control");
      await page.waitForSelector(".VPLocalSearchBox input");
      await page.type(".VPLocalSearchBox input", word);
      await page.waitForSelector(".VPLocalSearchBox a.result");
      const results = await page.$$eval("a.result", (links) => links.map((link) => link.href));
      expect(results.join(" ")).toMatch(expected);
      await page.keyboard.press("Escape");
      await page.waitForSelector(".VPLocalSearchBox", { hidden: true });
    }
  });
});
