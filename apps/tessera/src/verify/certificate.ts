// A certificate that a run was verified, which holds as long as its words, the files that they name, and the code stay.

import { writeFileSync } from "node:fs";
import { UserError } from "@tessera/config";
import { readText } from "@tessera/files";
import type { Verdict } from "@tessera/trainer/verify";
import { digestRun } from "./digest_run.js";
import type { DescribedProgram } from "./find_run.js";

interface Certificate {
  readonly format: "tessera certificate";
  readonly digest: string;
  /** For people. */
  readonly words: readonly string[];
  readonly layout: string;
  readonly ranks: number;
  /** When, in ISO 8601. */
  readonly verified: string;
}

const MAX_BYTES = 2 ** 20;

/** @throws UserError where the file cannot be written. */
export function writeCertificate(
  file: string,
  program: DescribedProgram,
  { layout, ranks }: Verdict,
): void {
  const certificate: Certificate = {
    format: "tessera certificate",
    digest: digestRun(program),
    words: program.words,
    layout,
    ranks,
    verified: new Date().toISOString(),
  };
  try {
    writeFileSync(file, `${JSON.stringify(certificate, null, 2)}\n`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UserError(`--certificate ${file}: cannot be written (${code})`);
  }
}

/**
 * What the certificate in `file` says, in a sentence.
 * @throws UserError where it is of another run.
 */
export function checkCertificate(file: string, program: DescribedProgram): string {
  const { digest, words, layout, ranks, verified } = readCertificate(file);
  if (digest === digestRun(program)) {
    return `${file}: ${layout} was verified with ${ranks} ranks on ${verified.slice(0, 10)}`;
  }
  const isOther = JSON.stringify(words) !== JSON.stringify(program.words);
  throw new UserError(
    `${file}: is of ${isOther ? "other flags" : "other code, or of other files that the flags name"}; ` +
      "verify this run: tessera verify --certificate",
  );
}

function readCertificate(file: string): Certificate {
  const wrong = new UserError(`${file}: is no certificate of tessera verify`);
  let found: Partial<Certificate>;
  try {
    found = JSON.parse(readText(file, MAX_BYTES)) as Partial<Certificate>;
  } catch (error) {
    if (error instanceof SyntaxError) throw wrong;
    throw error;
  }
  const { format, digest, words, layout, ranks, verified } = found;
  const isWhole =
    format === "tessera certificate" &&
    [digest, layout, verified].every((one) => typeof one === "string") &&
    typeof ranks === "number" &&
    Array.isArray(words);
  if (!isWhole) throw wrong;
  return found as Certificate;
}
