// The clients that Python has for OpenAI's interface, against `tessera serve`.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { runNode, runOracle, scratchFolder } from "@tessera/testing";
import { serveGolden, type ServedGolden } from "../programs/serve_golden.js";

const MAIN = join(__dirname, "../../dist/main.js");
const GOLDEN = join(__dirname, "../../../../fixtures/golden");

const REQUIREMENTS = [
  "aiohttp==3.14.5",
  "dill==0.4.1",
  "jinja2==3.1.6",
  "more-itertools==11.2.1",
  "numpy==2.4.6",
  "openai==3.57.0",
  "pyyaml==6.0.4",
  "requests==2.34.2",
  "sqlitedict==2.1.0",
  "tenacity==9.2.1",
  "tqdm==4.70.1",
];
/** Asks for half a gigabyte that its clients of servers do not use. */
const HARNESS = ["lm-eval==0.4.13"];

const at = scratchFolder("serve");
let served: ServedGolden;
let url: string;

beforeAll(async () => {
  const template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}";
  writeFileSync(at("chat.jinja"), template);
  served = await serveGolden(at("golden"), "--chat-template", at("chat.jinja"));
  ({ url } = served);
});

afterAll(async () => {
  expect(await served.stop()).toBe(0);
});

test("OpenAI's client for Python completes, chats, streams, lists, and has typed errors", () => {
  const script = `
import json, sys, openai
url = json.load(sys.stdin)
client = openai.OpenAI(base_url=url + "/v1", api_key="none", max_retries=0)
out = {"models": [m.id for m in client.models.list()], "model": client.models.retrieve("golden").owned_by}
asked = dict(model="golden", prompt="To be", max_tokens=8, seed=3, logprobs=2)
one = client.completions.create(**asked)
parts = list(client.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
out["text"] = one.choices[0].text
out["streamed"] = "".join(p.choices[0].text for p in parts if p.choices)
out["usage"] = [one.usage.total_tokens, parts[-1].usage.total_tokens]
out["tokens"] = len(one.choices[0].logprobs.tokens)
chat = dict(model="golden", messages=[{"role": "user", "content": "hi"}], max_completion_tokens=5, seed=1)
answer = client.chat.completions.create(**chat)
out["chat"] = answer.choices[0].message.content
out["chat streamed"] = "".join(p.choices[0].delta.content or "" for p in client.chat.completions.create(**chat, stream=True))
out["prompt tokens"] = answer.usage.prompt_tokens
try: client.completions.create(model="golden", prompt="a", max_tokens=10**9)
except openai.BadRequestError as e: out["refused"] = [e.param, e.code]
try: client.completions.create(model="gpt-4", prompt="a")
except openai.NotFoundError as e: out["unknown"] = e.code
print(json.dumps(out))
`;
  const found = runOracle(REQUIREMENTS, script, url, HARNESS) as Readonly<Record<string, unknown>>;
  expect(found).toMatchObject({
    models: ["golden"],
    model: "tessera",
    usage: [13, 13],
    tokens: 8,
    "prompt tokens": "user: hi\n".length,
    refused: ["max_tokens", "integer_above_max_value"],
    unknown: "model_not_found",
  });
  expect(found["streamed"]).toBe(found["text"]);
  expect(found["chat streamed"]).toBe(found["chat"]);
});

test("lm-evaluation-harness finds PyTorch's log-likelihoods, one by one and many at once", () => {
  const { tokens } = JSON.parse(readFileSync(join(GOLDEN, "expected.json"), "utf8")) as {
    readonly tokens: readonly (readonly number[][])[];
  };
  const file = readFileSync(join(GOLDEN, "logits.safetensors"));
  const begin = file.byteOffset + 8 + Number(file.readBigUInt64LE());
  const logits = new Float32Array(file.buffer.slice(begin)); // [8, 32, 384]
  /** Of what follows the first `context` tokens of a row. */
  const expected = (row: number, context: number, ids: readonly number[]) => {
    let [sum, isGreedy] = [0, true];
    for (let i = context; i < ids.length; i += 1) {
      const own = Array.from(logits.subarray((32 * row + i - 1) * 384, (32 * row + i) * 384));
      sum += own[ids[i]!]! - Math.log(own.reduce((total, one) => total + Math.exp(one), 0));
      isGreedy &&= own[ids[i]!] === Math.max(...own);
    }
    return [sum, isGreedy] as const;
  };
  /** The likeliest continuation, so that something is greedy. */
  const likeliest = (row: number, context: number): number => {
    const own = logits.subarray((32 * row + context - 1) * 384, (32 * row + context) * 384);
    return own.indexOf(Math.max(...own));
  };
  const requests = tokens[0]!.flatMap((ids, row) => [
    { row, context: 5 + row, ids: ids.slice(0, 32) },
    { row, context: 9, ids: [...ids.slice(0, 9), likeliest(row, 9)] },
  ]);
  const script = `
import json, sys
from lm_eval.api.instance import Instance
from lm_eval.models.openai_completions import LocalCompletionsAPI
class Ids(LocalCompletionsAPI):  # texts are ids, so that they are those of the golden batch
    def tok_encode(self, text, **_):
        return [int(one) for one in text.split()] if isinstance(text, str) else [self.tok_encode(one) for one in text]
given = json.load(sys.stdin)
join = lambda ids: " ".join(map(str, ids))
asked = [(join(r["ids"][:r["context"]]), " " + join(r["ids"][r["context"]:])) for r in given["requests"]]
out = []
for many in [dict(), dict(num_concurrent=4, batch_size=3)]:
    lm = Ids(model="golden", base_url=given["url"] + "/v1/completions", tokenizer_backend=None, max_length=64, **many)
    lm.tokenizer, lm.tokenized_requests = "ids", True
    make = lambda kind, args: [Instance(kind, {}, one, i) for i, one in enumerate(args)]
    likely = lm.loglikelihood(make("loglikelihood", asked), disable_tqdm=True)
    until = {"until": ["zzzz"], "max_gen_toks": 6, "temperature": 0}
    texts = lm.generate_until(make("generate_until", [(join(b"To be"), dict(until)), (join(b"or"), dict(until))]), disable_tqdm=True)
    out.append({"likely": likely, "texts": texts})
print(json.dumps(out))
`;
  const [one, many] = runOracle(REQUIREMENTS, script, { url, requests }, HARNESS) as {
    readonly likely: readonly (readonly [number, boolean])[];
    readonly texts: readonly string[];
  }[];
  requests.forEach(({ row, context, ids }, i) => {
    const [sum, isGreedy] = expected(row, context, ids);
    for (const { likely } of [one!, many!]) {
      expect(Math.abs(likely[i]![0] - sum)).toBeLessThan(1e-3);
      expect(likely[i]![1]).toBe(isGreedy);
    }
  });
  expect(one!.likely.some(([, isGreedy]) => isGreedy)).toBe(true);
  const generate = (prompt: string): string => {
    const flags = ["--prompt", prompt, "--temperature", "0", "--max-tokens", "6"];
    const { stdout } = runNode([MAIN, "generate", "--model", at("golden"), ...flags]);
    return stdout.slice(prompt.length, -1);
  };
  expect(one!.texts).toEqual(["To be", "or"].map(generate));
  expect(many!.texts).toEqual(one!.texts);
});
