// Multiplies while signals arrive: prints how many products were wrong.

import { isMainThread, Worker } from "node:worker_threads";
import { setBackend, tensor } from "@tensorflow/tfjs-core";
import { call, linear } from "@tessera/kernels";
import { loadNative } from "../index.js";

const SECONDS = 4;
/** Of a product in which a signal broke the heap at once. */
const [ROWS, INNER, COLUMNS] = [32, 768, 192];

const wave = (count: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(13 * i));

async function multiply(): Promise<number> {
  loadNative({ ...process.env, OMP_NUM_THREADS: "2" });
  await setBackend("native");
  const inputs = {
    x: tensor(wave(ROWS * INNER), [ROWS, INNER]),
    weight: tensor(wave(INNER * COLUMNS), [INNER, COLUMNS]),
    bias: tensor(wave(COLUMNS), [COLUMNS]),
  };
  const product = (): Float32Array => {
    const { y } = call(linear, inputs, {});
    const values = y.dataSync<"float32">();
    y.dispose();
    return values;
  };
  const expected = product();
  const end = performance.now() + 1000 * SECONDS;
  let wrong = 0;
  while (performance.now() < end) {
    wrong += Number(product().some((value, i) => value !== expected[i]));
  }
  return wrong;
}

if (isMainThread) {
  process.on("SIGUSR2", () => undefined);
  const signals = new Worker(new URL(import.meta.url));
  const wrong = await multiply();
  await signals.terminate();
  process.stdout.write(`${wrong} wrong\n`);
} else {
  for (;;) {
    process.kill(process.pid, "SIGUSR2");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 0.2);
  }
}
