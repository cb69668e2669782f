// Many malformed files: they are read within their tensors, or refused with a UserError.

import { expect, test } from "@jest/globals";
import { scratchFolder } from "@tessera/testing";
import { openMutatedFiles } from "./programs/mutate_safetensors.js";

const at = scratchFolder("fuzz");

test("10,000 mutated files are read within their bytes, or refused by name", () => {
  const { read, refused } = openMutatedFiles(at("made.safetensors"), 10_000, 12);
  expect(read).toBeGreaterThan(200);
  expect(refused).toBeGreaterThan(5000);
});
