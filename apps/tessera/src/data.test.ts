// The built tool, as a user runs it, on the data that other code made.

import { afterAll, describe, expect, test } from "@jest/globals";
import { spawn } from "node:child_process";
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runNode } from "@tessera/testing";

const MAIN = join(__dirname, "../dist/main.js");
const FIXTURES = join(__dirname, "../../../packages/data/fixtures/megatron");
const TOKENS = join(__dirname, "../../../packages/tokenizer/fixtures/tokens.json");

const folder = mkdtempSync(join(tmpdir(), "tessera-cli-"));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

function tessera(line: string, input = "") {
  return runNode([MAIN, ...line.split(" ")], { cwd: folder, input });
}

const golden = JSON.parse(readFileSync(join(FIXTURES, "expected.json"), "utf8")) as {
  cases: (Record<"doc_idx" | "sample_idx" | "shuffle_idx" | "samples", unknown> & {
    data: string;
    name: string;
    split: string;
    num_samples: number;
    seq_length: number;
    seed: number;
    length: number;
  })[];
};

for (const name of ["prose.bin", "prose.idx"]) copyFileSync(join(FIXTURES, name), at(name));

test("data order shows Megatron's indices and samples", () => {
  const [first] = golden.cases;
  const { name, split, num_samples, seq_length, seed, samples } = first!;
  const { stdout, status } = tessera(
    `data order prose --name ${name} --split ${split} --num-samples ${num_samples} ` +
      `--seq-length ${seq_length} --seed ${seed} --json --sample ${Object.keys(samples as object).join(",")}`,
  );
  expect(status).toBe(0);
  const { length, doc_idx, sample_idx, shuffle_idx } = first!;
  expect(JSON.parse(stdout)).toEqual({ length, doc_idx, sample_idx, shuffle_idx, samples });
});

test("tokenizer encode and decode answer line by line", () => {
  const cases = JSON.parse(readFileSync(TOKENS, "utf8")) as { text: string; ids: number[] }[];
  const lines = (values: readonly unknown[]) => values.map((v) => JSON.stringify(v)).join("\n");
  const encoded = tessera(
    "tokenizer encode --tokenizer gpt2 --jsonl",
    lines(cases.map(({ text }) => ({ text }))),
  );
  expect(encoded.stdout.trim()).toBe(lines(cases.map(({ ids }) => ({ ids }))));
  const decoded = tessera("tokenizer decode --jsonl", encoded.stdout);
  expect(decoded.stdout.trim()).toBe(lines(cases.map(({ text }) => ({ text }))));
  expect(tessera("tokenizer encode --jsonl", '{"ids": 1}')).toMatchObject({
    status: 2,
    stderr: 'tessera: line 1 of the input: must be {"text": "..."}\n',
  });
});

describe("preprocess", () => {
  const texts = Array.from(
    { length: 3000 },
    (_, i) => `Document ${i}.\nIt says: "caf\u00e9" ${i * i}.`,
  );
  const lines = texts.map((text) => JSON.stringify({ text, title: text.slice(0, 12) }));
  writeFileSync(at("good.jsonl"), lines.join("\n"));
  writeFileSync(
    at("bad.jsonl"),
    [lines[0], "{", "", '{"title": "x"}', '{"text": ""}', lines[1]].join("\n"),
  );
  writeFileSync(at("plain.txt"), texts.join("\n\n"));

  test("gives the same files whatever the number of workers, and every text back", () => {
    for (const workers of [1, 2]) {
      const { status, stderr } = tessera(
        `preprocess --input good.jsonl --output-prefix w${workers} --append-eod --workers ${workers}`,
      );
      expect({ status, stderr }).toMatchObject({
        status: 0,
        stderr: expect.stringMatching(/3000 documents/),
      });
    }
    for (const ending of ["bin", "idx"]) {
      const [one, two] = [1, 2].map((n) => readFileSync(at(`w${n}_text_document.${ending}`)));
      expect(one!.equals(two!)).toBe(true);
    }
    const { stdout } = tessera("data info w1_text_document --json --document 17");
    expect(JSON.parse(stdout)).toMatchObject({
      documents: 3000,
      dtype: "u16",
      sample: `${texts[17]!}<|endoftext|>`,
    });
  });

  test("takes several keys to several datasets", () => {
    tessera("preprocess --input good.jsonl --output-prefix k --json-keys text title");
    const { stdout } = tessera("data info k_title_document --json --document 5");
    expect(JSON.parse(stdout)).toMatchObject({ documents: 3000, sample: "Document 5.\n" });
  });

  test("splits documents of lines into sentences, which data merge and info know apart", () => {
    const split = "preprocess --split-sentences --append-eod --workers 2 --output-prefix";
    expect(tessera(`${split} s --input good.jsonl`)).toMatchObject({
      status: 0,
      stderr: expect.stringMatching(/^s_text_sentence: 3000 documents/m),
    });
    expect(tessera("data merge s_text_sentence s_text_sentence --output-prefix ss").status).toBe(0);
    const { stdout } = tessera("data info ss --json --document 3017");
    expect(JSON.parse(stdout)).toMatchObject({
      documents: 6000,
      sequences: 12_000,
      sample: "Document 17.\n",
    });
    expect(tessera(`${split} t --input plain.txt`)).toMatchObject({
      status: 2,
      stderr: "tessera: --split-sentences: is for JSON lines, plain.txt is plain text\n",
    });
  });

  test("takes plain text as one document", () => {
    tessera("preprocess --input plain.txt --output-prefix p --workers 2");
    const { stdout } = tessera("data info p_text_document --json --tokens 1000000");
    expect(JSON.parse(stdout)).toMatchObject({ documents: 1, sample: texts.join("\n\n") });
  });

  test("tells of lines without a document, and with --strict stops at the first", () => {
    const { status, stderr } = tessera("preprocess --input bad.jsonl --output-prefix b");
    expect(status).toBe(0);
    for (const told of [
      "bad.jsonl: line 2: is not JSON, left out",
      'bad.jsonl: line 4: has nothing under "text", left out',
      'bad.jsonl: line 5: has an empty text under "text", left out',
      "2 documents",
      "3 lines left out",
    ]) {
      expect(stderr).toContain(told);
    }
    const strict = tessera("preprocess --input bad.jsonl --output-prefix strict --strict");
    expect(strict).toMatchObject({
      status: 2,
      stderr: "tessera: bad.jsonl: line 2: is not JSON\n",
    });
    expect(readdirSync(folder).filter((name) => name.includes("strict_"))).toEqual([]);
  });

  test("leaves nothing when it is interrupted", async () => {
    writeFileSync(at("long.jsonl"), `${lines.join("\n")}\n`.repeat(300));
    const args = [MAIN, "preprocess", "--input", "long.jsonl", "--output-prefix", "long"];
    const child = spawn(process.execPath, args, { cwd: folder });
    while (!readdirSync(folder).some((name) => name.includes("long_"))) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    child.kill("SIGINT");
    const code = await new Promise((resolve) => child.on("exit", resolve));
    expect(code).toBe(130);
    expect(readdirSync(folder).filter((name) => name.includes("long_"))).toEqual([]);
  });

  test.each([
    ["--output-prefix x", "tessera: --input: name at least one file\n"],
    ["--input none --output-prefix x", "tessera: --input none: there is no such file\n"],
    ["--input good.jsonl", "tessera: --output-prefix: name the dataset to write\n"],
    [
      "--input good.jsonl --output-prefix x --tokenizer bytes --append-eod",
      "tessera: --append-eod: tokenizer bytes has no id that ends a document\n",
    ],
  ])("%s is refused", (flags, stderr) => {
    expect(tessera(`preprocess ${flags}`)).toMatchObject({ status: 2, stderr });
  });
});

test("data merge puts one dataset after another", () => {
  expect(tessera("data merge prose prose --output-prefix twice").status).toBe(0);
  const [once, twice] = ["prose", "twice"].map((name) => readFileSync(at(`${name}.bin`)));
  expect(twice!.equals(Buffer.concat([once!, once!]))).toBe(true);
  expect(JSON.parse(tessera("data info twice --json").stdout)).toMatchObject({ documents: 800 });
});

test("tokenizer train makes a file that encodes", () => {
  writeFileSync(at("text.txt"), "the cat sat on the mat\n".repeat(50));
  const trained = tessera("tokenizer train text.txt --vocab-size 270 --output t.json");
  expect(trained).toMatchObject({ status: 0 });
  const { stdout } = tessera("tokenizer encode --tokenizer t.json", "the cat");
  expect(tessera("tokenizer decode --tokenizer t.json", stdout).stdout).toBe("the cat");
});
