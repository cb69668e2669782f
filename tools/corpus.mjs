// `npm run corpus`: fetches a text in the public domain, to train on. Needs a network.

import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT, stop } from "./setup.mjs";

/** The complete works of Shakespeare, from Project Gutenberg. */
const SOURCE = "https://www.gutenberg.org/cache/epub/100/pg100.txt";
const FOLDER = join(ROOT, "corpus");
const FILE = join(FOLDER, "shakespeare.txt");
const MAX_BYTES = 64 * 2 ** 20;

if (process.argv.length > 2) {
  const [, , first = ""] = process.argv;
  const isHelp = ["--help", "-h"].includes(first);
  process.stdout.write(
    `npm run corpus: downloads Shakespeare's works from Project Gutenberg to ${FILE}; takes no flags\n`,
  );
  process.exit(isHelp ? 0 : 2);
}

try {
  const response = await fetch(SOURCE, { signal: AbortSignal.timeout(120_000) });
  if (!response.ok) throw new Error(`the server answers ${response.status}`);
  const text = await response.text();
  if (text.length > MAX_BYTES) throw new Error(`the file is larger than ${MAX_BYTES} bytes`);
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(`${FILE}.partial`, text);
  renameSync(`${FILE}.partial`, FILE);
  process.stdout.write(
    `${FILE}: ${text.length} characters; npm run train -- --text corpus/shakespeare.txt\n`,
  );
} catch (error) {
  const { message, cause } = /** @type {Error & { cause?: { code?: string } }} */ (error);
  stop(
    `the corpus cannot be fetched (${cause?.code ?? message}); try again with a network, or train on a text of yours with --text`,
  );
}
