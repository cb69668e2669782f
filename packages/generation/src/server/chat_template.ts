// Chat templates: Jinja programs of a model that turn the messages of a chat into its prompt, read and rendered as
// `transformers` does.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { Template } from "@huggingface/jinja";
import { UserError } from "@tessera/config";
import { readJson, readText } from "@tessera/files";
import * as v from "valibot";

/** A message of a chat. */
export interface ChatMessage {
  readonly role: string;
  readonly content: string;
  readonly name?: string;
}

/** How a model's chats become prompts. */
export interface ChatTemplate {
  /** The prompt for the assistant's answer to `messages`. @throws where the template refuses them. */
  render(messages: readonly ChatMessage[]): string;
}

const MAX_BYTES = 2 ** 24;

const Named = v.object({ name: v.string(), template: v.string() });
const TokenizerConfig = v.looseObject({
  chat_template: v.nullish(v.union([v.string(), v.array(Named)])),
});

/** Tokens that templates know by name. */
const TOKEN_NAMES = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"].map((one) => `${one}_token`);

/**
 * The chat template of the model in `folder`, or the one in `file`; null where there is none.
 * @throws UserError that names the file that cannot be read.
 */
export function readChatTemplate(folder: string, file?: string): ChatTemplate | null {
  const path = join(folder, "tokenizer_config.json");
  const config = existsSync(path) ? readConfig(path) : {};
  const own = join(folder, "chat_template.jinja");
  const [from, source] =
    file !== undefined
      ? [file, readText(file, MAX_BYTES)]
      : existsSync(own)
        ? [own, readText(own, MAX_BYTES)]
        : [path, defaultOf(config.chat_template)];
  return source === undefined ? null : parseTemplate(source, from, tokensOf(config));
}

function readConfig(path: string): v.InferOutput<typeof TokenizerConfig> {
  const result = v.safeParse(TokenizerConfig, readJson(path, MAX_BYTES));
  if (result.success) return result.output;
  throw new UserError(`${path}: chat_template: must be text, or a list with names and templates`);
}

const defaultOf = (
  given: v.InferOutput<typeof TokenizerConfig>["chat_template"],
): string | undefined =>
  typeof given === "string" ? given : given?.find(({ name }) => name === "default")?.template;

/** The special tokens that the configuration names, as text or as records. */
function tokensOf(config: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const textOf = (token: unknown): unknown =>
    typeof token === "object" && token !== null && "content" in token ? token.content : token;
  const all = TOKEN_NAMES.map((name) => [name, textOf(config[name])] as const);
  return Object.fromEntries(
    all.filter((one): one is readonly [string, string] => typeof one[1] === "string"),
  );
}

function parseTemplate(
  source: string,
  from: string,
  tokens: Readonly<Record<string, string>>,
): ChatTemplate {
  try {
    const template = new Template(source);
    return {
      render: (messages) =>
        template.render({
          ...tokens,
          messages,
          add_generation_prompt: true,
          tools: null,
          documents: null,
        }),
    };
  } catch (error) {
    const [said] = (error as Error).message.split("\n", 1);
    throw new UserError(
      `${from}: its chat template cannot be parsed (${said}); --chat-template FILE gives another`,
    );
  }
}
