import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { logProgress } from "./progress.js";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

test("a line every two seconds says how far a stage is and how long it has left", () => {
  const lines: string[] = [];
  const progress = logProgress((line) => lines.push(line));
  jest.advanceTimersByTime(1000);
  progress("reading", 1, 4); // a second for a quarter
  expect(lines).toEqual([]);
  jest.advanceTimersByTime(1000);
  progress("reading", 2, 4);
  expect(lines).toEqual(["reading: 50%, 2 s left\n"]);
  jest.advanceTimersByTime(1500);
  progress("reading", 4, 4);
  jest.advanceTimersByTime(500);
  progress("writing", 1, 10); // begun half a second ago
  expect(lines.slice(1)).toEqual(["writing: 10%, 5 s left\n"]);
});
