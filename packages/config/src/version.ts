import { readFileSync } from "node:fs";

/** The version of the package that a module of its dist/ or src/ belongs to, by the module's `import.meta.url`. */
export function readVersion(moduleUrl: string): string {
  const manifest = readFileSync(new URL("../package.json", moduleUrl), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}
