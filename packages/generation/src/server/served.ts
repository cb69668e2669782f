// What the answers to requests are made from.

import type { Engine } from "../engine.js";
import type { ModelTokenizer } from "../model_tokenizer.js";
import type { ChatTemplate } from "./chat_template.js";
import type { Drain } from "./drain.js";
import type { Metrics } from "./metrics.js";
import type { Limits } from "./parameters.js";
import type { TextQueue } from "./queue.js";

/** A model that is served. */
export interface ServedModel {
  readonly engine: Engine;
  readonly tokenizer: ModelTokenizer;
  /** What the model is called. */
  readonly model: string;
  /** Other names that requests may have for it. Default: none. */
  readonly aliases?: readonly string[];
  /** How its chats become prompts; null where it was not trained for chats. Default: null. */
  readonly chatTemplate?: ChatTemplate | null;
  readonly limits: Limits;
}

export interface Served extends ServedModel {
  readonly queue: TextQueue;
  readonly metrics: Metrics;
  readonly drain: Drain;
  /** When the server started, in seconds since 1970. */
  readonly created: number;
}
