// The post-processor of a tokenizer.json: the tokens that it puts before and after a text.

import { UserError } from "@tessera/config";
import * as v from "valibot";
import { NO_TEMPLATE, type Template } from "../tokenizer.js";

const Id = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const NamedId = v.tuple([v.string(), Id]);

const Piece = v.union([
  v.strictObject({ SpecialToken: v.object({ id: v.string() }) }),
  v.strictObject({ Sequence: v.object({ id: v.picklist(["A", "B"]) }) }),
]);

const ByteLevel = v.object({ type: v.literal("ByteLevel") });
const Pair = v.object({
  type: v.picklist(["RobertaProcessing", "BertProcessing"]),
  sep: NamedId,
  cls: NamedId,
});
const TemplateProcessing = v.object({
  type: v.literal("TemplateProcessing"),
  single: v.array(Piece),
  special_tokens: v.record(v.string(), v.object({ ids: v.array(Id) })),
});
const Processor = v.variant("type", [ByteLevel, Pair, TemplateProcessing]);

/** Several are applied one after the other, each around what the ones before made. */
export const PostProcessor = v.nullish(
  v.variant("type", [
    ...Processor.options,
    v.object({ type: v.literal("Sequence"), processors: v.array(Processor) }),
  ]),
);

/** @throws UserError for a template that is not the text once, with tokens around it. */
export function readTemplate(
  processor: v.InferOutput<typeof PostProcessor>,
  path: string,
): Template {
  if (processor === null || processor === undefined) return NO_TEMPLATE;
  const all = processor.type === "Sequence" ? processor.processors : [processor];
  return all.reduce((inner: Template, one) => {
    const { before, after } = templateOf(one, path);
    return { before: [...before, ...inner.before], after: [...inner.after, ...after] };
  }, NO_TEMPLATE);
}

function templateOf(processor: v.InferOutput<typeof Processor>, path: string): Template {
  switch (processor.type) {
    case "ByteLevel": // changes offsets alone
      return NO_TEMPLATE;
    case "RobertaProcessing":
    case "BertProcessing":
      return { before: [processor.cls[1]], after: [processor.sep[1]] };
    case "TemplateProcessing": {
      const { single, special_tokens: tokens } = processor;
      const parts = single.map((piece) => {
        if ("Sequence" in piece) return piece.Sequence.id;
        const { id } = piece.SpecialToken;
        if (Object.hasOwn(tokens, id)) return tokens[id]!.ids;
        throw new UserError(`${path}: post_processor.special_tokens has no ids of ${id}`);
      });
      const text = parts.indexOf("A");
      const idsOf = (some: typeof parts): readonly number[] =>
        some.flatMap((part) => {
          if (typeof part !== "string") return part;
          throw new UserError(`${path}: post_processor.single must have the text once, as A`);
        });
      if (text < 0) throw new UserError(`${path}: post_processor.single is without the text, A`);
      return { before: idsOf(parts.slice(0, text)), after: idsOf(parts.slice(text + 1)) };
    }
  }
}

/** The section that `readTemplate` reads as `template`; null for none. */
export function writeTemplate(
  { before, after }: Template,
  nameOf: ReadonlyMap<number, string>,
): object | null {
  if (before.length + after.length === 0) return null;
  const name = (id: number): string => nameOf.get(id) ?? `<|${id}|>`;
  const special = (id: number) => ({ SpecialToken: { id: name(id), type_id: 0 } });
  const text = (id: "A" | "B") => ({ Sequence: { id, type_id: 0 } });
  const around = (id: "A" | "B") => [...before.map(special), text(id), ...after.map(special)];
  const used = [...new Set([...before, ...after])];
  return {
    type: "TemplateProcessing",
    single: around("A"),
    pair: [...around("A"), ...around("B")],
    special_tokens: Object.fromEntries(
      used.map((id) => [name(id), { id: name(id), ids: [id], tokens: [name(id)] }]),
    ),
  };
}
