// The full series of hostile files: whatever is in them, they are read inside their tensors or refused in a sentence.

import { expect, test } from "@jest/globals";
import { scratchFolder } from "@tessera/testing";
import { openMutatedFiles } from "./programs/mutate_safetensors.js";

const at = scratchFolder("fuzz");

test("A million mutated files are read inside their bytes, or refused by name", () => {
  const { read, refused } = openMutatedFiles(at("made.safetensors"), 1_000_000, 13);
  expect(read).toBeGreaterThan(20_000);
  expect(refused).toBeGreaterThan(500_000);
});
