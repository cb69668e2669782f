// Which tokenizer it is, by what it does: the same one may come from other files, or from other places.

import { createHash } from "node:crypto";
import type { Tokenizer } from "./tokenizer.js";

/** Text in which patterns, merges and added tokens of tokenizers differ. */
const PROBE =
  "Don't stop: it's 2,345.67 o'clock!!\n\n  Über naïve café…\t日本語テキスト\r\nsnake_caseHTML5 " +
  "١٢٣ Привет, мир! \u00a0\u2028e\u0301 <|endoftext|></s>[INST] 🙂👩‍💻   x = {y: [1]};\n    return";

/** A digest of the bytes of all tokens, of added ones, and of how a text is split into them. */
export function digestVocabulary(tokenizer: Tokenizer): string {
  const hash = createHash("sha256");
  for (let id = 0; id < tokenizer.vocabularySize; id += 1) {
    const bytes = tokenizer.bytesOf(id);
    hash.update(`${bytes?.length ?? "none"} `);
    if (bytes !== undefined) hash.update(bytes);
  }
  hash.update(JSON.stringify([...tokenizer.addedTokens].sort()));
  hash.update(JSON.stringify([tokenizer.endOfText, [...tokenizer.encode(PROBE)]]));
  return hash.digest("hex").slice(0, 16);
}
