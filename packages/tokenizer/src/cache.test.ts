import { expect, test } from "@jest/globals";
import { cache } from "./cache.js";

test("a cache holds at most twice its capacity, and keeps what is asked for", () => {
  const known = cache<number>(10);
  known.set("kept", -1);
  for (let n = 0; n < 1000; n += 1) {
    known.set(`${n}`, n);
    expect(known.get("kept")).toBe(-1);
  }
  const held = Array.from({ length: 1000 }, (_, n) => known.get(`${n}`)).filter(
    (value) => value !== undefined,
  );
  expect(held.length).toBeLessThan(20);
  expect(known.get("999")).toBe(999);
});
