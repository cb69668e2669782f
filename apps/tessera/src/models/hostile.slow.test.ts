import { afterAll, expect, test } from "@jest/globals";
import { scratchFolder } from "@tessera/testing";
import { kindsOfAttacks } from "../programs/hostile_clients.js";
import { runSeries } from "../programs/hostile_series.js";
import { serveGolden, type ServedGolden } from "../programs/serve_golden.js";

const at = scratchFolder("hostile");
let served: ServedGolden;

afterAll(() => {
  served.process.kill("SIGKILL");
});

test("hostile clients, more than may connect, disturb no good one", async () => {
  served = await serveGolden(at("model"), "--max-connections", "150", "--drain-seconds", "5");
  const { port, pid } = served;
  const result = await runSeries({
    port,
    pid,
    seconds: 45,
    goodClients: 64,
    attacks: 750,
    seed: 21,
  });
  expect(result.failures).toEqual([]);
  expect(result.answered).toBeGreaterThan(64);
  expect(Object.keys(result.attacks).sort()).toEqual([...kindsOfAttacks].sort());
  expect(Math.max(...result.memory)).toBeLessThan(1024);
  expect(await served.stop()).toBe(0);
});
