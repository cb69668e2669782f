// The full series of malformed files: they are read within their tensors, or refused with a UserError.

import { expect, test } from "@jest/globals";
import { scratchFolder } from "@tessera/testing";
import { openMutatedFiles } from "./programs/mutate_safetensors.js";

const at = scratchFolder("fuzz");

test("A million mutated files are read within their bytes, or refused by name", () => {
  const { read, refused } = openMutatedFiles(at("made.safetensors"), 1_000_000, 13);
  expect(read).toBeGreaterThan(20_000);
  expect(refused).toBeGreaterThan(500_000);
});
