/** @jest-environment ../../jest.environment.mjs */

import { describe, expect, test } from "@jest/globals";
import { UserError } from "@tessera/config";
import { checkInstalled, describeFailure } from "./onnx_devices.js";

const bundled = (...names: string[]) => names.map((name) => ({ name, bundled: true }));
const platform = `${process.platform}-${process.arch}`;

describe("a build of onnxruntime-node", () => {
  test("that has a device says what else there is", () => {
    expect(checkInstalled("dml", bundled("cpu", "dml", "webgpu"), "1.2.3")).toEqual({
      name: `onnxruntime-node 1.2.3 for ${platform}`,
      others: ["cpu", "webgpu"],
    });
  });

  test("that lacks a device is named, with what it has", () => {
    const check = () => checkInstalled("coreml", bundled("cpu", "webgpu"), "1.2.3");
    expect(check).toThrow(UserError);
    expect(check).toThrow(
      `device coreml: is not in onnxruntime-node 1.2.3 for ${platform}, which has cpu, webgpu: choose one of these`,
    );
  });

  test("whose files for a device are not there is refused, with the command that fetches them", () => {
    // DirectML has no library of this form on any platform.
    const check = () => checkInstalled("dml", [...bundled("cpu"), { name: "dml", bundled: false }]);
    expect(check).toThrow(UserError);
    expect(check).toThrow(
      /^device dml: its files are not installed, .* brings only cpu: .*=cuda12 /,
    );
  });
});

describe("a device that fails", () => {
  const build = { name: "a build", others: ["cpu", "cuda"] };

  test("is described by the reason alone, without ONNX Runtime's sources and stack", () => {
    const reason = new Error(
      "/src/webgpu/context.cc:136 f(const Config&)::<lambda()> status == 1 was false. No adapter\nat f",
    );
    expect(describeFailure("webgpu", build, reason)).toBe(
      "device webgpu: is in a build, but does not start (No adapter): it needs a GPU and its driver; " +
        "there is also cpu, cuda",
    );
  });

  test("is described in ONNX Runtime's words where the system's loader finds no fault", () => {
    expect(describeFailure("dml", build, "X: Failed to load shared library")).toContain(
      "(X: Failed to load shared library)",
    );
    expect(describeFailure("tensorrt", build, "out of memory")).toMatch(
      /\(out of memory\): it needs NVIDIA's driver, CUDA, cuDNN and TensorRT;/,
    );
  });
});
