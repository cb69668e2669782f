// Writes the drawings of the documentation into docs/drawings.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { drawAll } from "./drawings/drawings.js";

const DOCS = fileURLToPath(new URL("../../docs", import.meta.url));
const FOLDER = join(DOCS, "drawings");

mkdirSync(FOLDER, { recursive: true });
const drawings = drawAll(DOCS);
for (const [name, text] of drawings) writeFileSync(join(FOLDER, name), text);
process.stdout.write(`${drawings.size} drawings are in docs/drawings\n`);
