// Tokenizer files for tests: one base, and variants in which some sections differ.

import { readFileSync } from "node:fs";
import { join } from "node:path";

type Section = Readonly<Record<string, unknown>>;
type Ids = readonly (readonly number[])[];

interface Fixture {
  readonly base: Section & { readonly model: Section };
  readonly texts: readonly string[];
  readonly variants: readonly {
    readonly name: string;
    /** Sections that differ from the base's; of the model, the entries that do. */
    readonly sections: Section & { readonly model?: Section };
    readonly allow: Ids;
    readonly text: Ids | null;
  }[];
}

const fixture = JSON.parse(
  readFileSync(join(__dirname, "../../fixtures/variants.json"), "utf8"),
) as Fixture;

export const { texts } = fixture;

export interface Variant {
  readonly name: string;
  /** The content of tokenizer.json. */
  readonly file: Section;
  /** Ids of the texts where special tokens are allowed, and where they are text. */
  readonly allow: Ids;
  readonly text: Ids;
}

export const variants: readonly Variant[] = fixture.variants.map(
  ({ name, sections, allow, text }) => ({
    name,
    file: { ...fixture.base, ...sections, model: { ...fixture.base.model, ...sections.model } },
    allow,
    text: text ?? allow,
  }),
);
