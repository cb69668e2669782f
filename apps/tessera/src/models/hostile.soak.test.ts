import { afterAll, expect, test } from "@jest/globals";
import { scratchFolder } from "@tessera/testing";
import { runSeries } from "../programs/hostile_series.js";
import { serveGolden, type ServedGolden } from "../programs/serve_golden.js";

const at = scratchFolder("hostile");
let served: ServedGolden;

afterAll(() => {
  served.process.kill("SIGKILL");
});

test("10,000 hostile clients in ten minutes disturb none of 64 good ones", async () => {
  served = await serveGolden(at("model"), "--max-connections", "256", "--drain-seconds", "5");
  const { port, pid } = served;
  const options = { port, pid, seconds: 600, goodClients: 64, attacks: 10_000, seed: 100_000 };
  const { memory, ...result } = await runSeries(options);
  const third = Math.floor(memory.length / 3);
  const [first, last] = [memory.slice(0, third), memory.slice(-third)].map((part) =>
    Math.max(...part),
  );
  process.stderr.write(`${JSON.stringify({ ...result, memory: { first, last } }, null, 1)}\n`);
  expect(result.failures).toEqual([]);
  // The most of the last three minutes is that of the first three, but for what a heap may take at any time.
  expect(last).toBeLessThan(first! + 64);
  expect(await served.stop()).toBe(0);
});
