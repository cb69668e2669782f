// What `tessera preprocess` is asked to do.

import type { Tokenizer } from "@tessera/tokenizer";

export interface PreprocessOptions {
  readonly inputs: readonly string[];
  /** By each file's ending where undefined. */
  readonly format: "jsonl" | "text" | undefined;
  readonly keys: readonly string[];
  readonly prefix: string;
  readonly tokenizer: Tokenizer;
  readonly workers: number;
  readonly appendEnd: boolean;
  readonly splitSentences: boolean;
  /** Whether documents have around them what the tokenizer's file puts there. */
  readonly addSpecialTokens: boolean;
  readonly special: "text" | "allow" | "refuse";
  readonly strict: boolean;
  /** Infinity for all. */
  readonly maxDocuments: number;
  /** Documents between lines of progress; Infinity for none but those that time asks for. */
  readonly logInterval: number;
  readonly signal: AbortSignal;
  readonly stream: NodeJS.WriteStream;
}
