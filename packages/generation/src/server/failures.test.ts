import { describe, expect, test } from "@jest/globals";
import { eventsOf } from "../testing/ask.js";
import { heldEngine, letterLimits, lettersEngine } from "../testing/letters.js";
import { useServer, type Completion } from "../testing/use_server.js";

const { ask, current, start, textsOf, untilRunning, untilIdle } = useServer();

describe("a failure", () => {
  test("of the engine is told and outlived", async () => {
    let fails = true;
    const atStep = () => {
      if (fails) throw new Error("the engine broke");
    };
    await start({ engine: lettersEngine({ atStep }) });
    const response = await ask({ prompt: "a" });
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain("broke");
    expect(current().reported.splice(0)).toEqual([new Error("the engine broke")]);
    fails = false;
    expect(await textsOf({ prompt: "a", max_tokens: 2 })).toEqual(["bc"]);
  });

  test("of one text's logits is not that of the others", async () => {
    const letters = lettersEngine({ rows: 2 });
    await start({
      engine: {
        ...letters,
        async run(call) {
          const logits = await letters.run(call);
          // What follows "p" is no number.
          for (let row = 0; row * 256 < logits.length; row += 1) {
            if (logits[row * 256 + 113] === 50) logits.fill(NaN, row * 256, (row + 1) * 256);
          }
          return logits;
        },
      },
    });
    const [good, bad] = await Promise.all([
      textsOf({ prompt: "a", max_tokens: 14 }),
      ask({ prompt: "m", max_tokens: 14 }),
    ]);
    expect(good).toEqual(["bcdefghijklmno"]);
    expect(bad.status).toBe(500);
    expect(current().reported.splice(0)).toEqual([new Error("the model gave a logit of NaN")]);
  });
});

describe("memory", () => {
  test("has a budget for all clients, beyond which requests are turned away", async () => {
    const { engine, release } = heldEngine(1);
    await start({ engine, limits: { ...letterLimits, maxMemoryBytes: 150_000 } });
    const body = { prompt: "a", max_tokens: 2, user: "u".repeat(50_000) };
    let refused = 0;
    const asked = Array.from({ length: 5 }, async () => {
      const { status } = await ask(body);
      if (status === 503 && (refused += 1) === 3) release();
      return status;
    });
    expect((await Promise.all(asked)).sort()).toEqual([200, 200, 503, 503, 503]);
    expect((await ask(body)).status).toBe(200);
  });

  test("of an answer that is being written counts too", async () => {
    await start({ limits: { ...letterLimits, maxMemoryBytes: 100_000 } });
    const refused = await ask({ prompt: "a", max_tokens: 1000, logprobs: 5 });
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ error: { code: "overloaded" } });
    await untilIdle();
    expect(await textsOf({ prompt: "a", max_tokens: 2 })).toEqual(["bc"]);
  });
});

describe("draining", () => {
  test("finishes what was asked for, and takes nothing more", async () => {
    await start({ engine: lettersEngine({ rows: 1 }) });
    const streams = ["a", "b"].map((prompt) =>
      ask({ prompt, max_tokens: 300, stream: true }).then(eventsOf),
    );
    await untilRunning();
    const drained = current().server.drain(60);
    const now = await fetch(`${current().address}/health`);
    expect(now.status).toBe(503);
    expect(await now.json()).toMatchObject({ status: "draining" });
    const late = await ask({ prompt: "a" });
    expect(late.status).toBe(503);
    expect(await late.json()).toMatchObject({ error: { code: "server_stopping" } });
    const texts = (await Promise.all(streams)) as Completion[][];
    for (const events of texts) {
      expect(events.at(-1)!.choices[0]!.finish_reason).toBe("length");
    }
    expect(await drained).toBe(0);
    await expect(fetch(current().address)).rejects.toThrow();
  });

  test("cuts what takes too long, and says so", async () => {
    await start({ limits: { ...letterLimits, maxTokens: 1e6 } });
    const stream = await ask({ prompt: "a", max_tokens: 1e6, stream: true });
    const whole = ask({ prompt: "a", max_tokens: 1e6 });
    await untilRunning(2);
    expect(await current().server.drain(0.05)).toBe(2);
    expect(await stream.text()).toMatch(/"the server is stopping"[^]*\n\n$/);
    expect((await whole).status).toBe(503);
  });
});
