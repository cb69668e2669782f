/** @jest-environment ../../jest.environment.mjs */

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { writeOnnxSteps } from "@tessera/checkpoint";
import { UserError } from "@tessera/config";
import { gpt, gptConfig } from "@tessera/gpt";
import { leafAt } from "@tessera/params";
import { scratchFolder } from "@tessera/testing";
import * as runtime from "onnxruntime-node";
import { onnxEngine } from "./index.js";
import { onnxDevices } from "./onnx.js";
import { openSession } from "./onnx_session.js";

const config = gptConfig({
  layerCount: 2,
  hiddenSize: 24,
  headCount: 4,
  ffnHiddenSize: 40,
  vocabularySize: 50,
  maxPositions: 16,
});

const folder = scratchFolder("devices")("model");
const graph = join(folder, "model.onnx");

beforeAll(() => {
  mkdirSync(folder);
  const { spec } = gpt(config);
  const sizeOf = (path: string): number =>
    leafAt<{ readonly shape: readonly number[] }>(spec, path)!.shape.reduce((a, b) => a * b, 1);
  const valuesAt = (path: string) => new Float32Array(sizeOf(path)).fill(0.1);
  for (const _progress of writeOnnxSteps(folder, config, valuesAt, "fp32"));
});

const backends = runtime.listSupportedBackends();
const messageOf = async (promise: Promise<unknown>): Promise<string> => {
  const error: unknown = await promise.then(
    () => "nothing was thrown",
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(UserError);
  return (error as UserError).message;
};

test("devices have ONNX Runtime's names", () => {
  expect(onnxDevices).toEqual(expect.arrayContaining(backends.map(({ name }) => name)));
});

test("without a device, and with the cpu, the cpu computes", async () => {
  for (const options of [{}, { device: "cpu" } as const]) {
    const engine = await onnxEngine(folder, config, options);
    expect(engine.computesOn).toBe("cpu");
    await engine.close();
  }
});

test.each(onnxDevices.filter((device) => device !== "cpu"))(
  "%s computes, or is refused in a sentence that says what is there",
  async (device) => {
    const opened = await onnxEngine(folder, config, { device }).catch((error: unknown) => error);
    if (opened instanceof Error) {
      expect(opened).toBeInstanceOf(UserError);
      const isKnown = backends.some(({ name }) => name === device);
      const said = isKnown
        ? /: its files are not installed, as .* brings only cpu.* npm rebuild|: is in .*, but does not start \(.+\): it needs .* there is also cpu|on the cpu all the same/
        : /: is not in onnxruntime-node \d+\.\d+\.\d+ for \S+, which has cpu.*: choose one/;
      expect(opened.message).toMatch(said);
      expect(opened.message).toMatch(new RegExp(`^device ${device}: .*[^\\n]$`));
    } else {
      const engine = opened as Awaited<ReturnType<typeof onnxEngine>>;
      expect(engine.computesOn).toMatch(new RegExp(`^${device}(, with \\d+ of \\d+ .*)?$`));
      await engine.close();
    }
  },
);

/** An event of a profile. */
interface ProfileEvent {
  readonly cat: string;
  readonly args: {
    op_name: string;
    provider: string;
    output_type_shape: readonly Record<string, unknown>[];
  };
}

describe("a session for another device that the CPU computes", () => {
  /** The folders of profiles. */
  const folders: string[] = [];

  /**
   * The real runtime, which has CUDA, as it says, but takes the CPU in its place. Its profiles say CUDA for what `moved`
   * is true of.
   */
  const pretend = (moved: (event: ProfileEvent["args"]) => boolean): typeof runtime => ({
    ...runtime,
    listSupportedBackends: () => [
      { name: "cpu", bundled: true },
      { name: "cuda", bundled: true },
    ],
    InferenceSession: {
      async create(path: string, options: runtime.InferenceSession.SessionOptions) {
        const onCpu = { ...options, executionProviders: ["cpu"] };
        const session = await runtime.InferenceSession.create(path, onCpu);
        const end = session.endProfiling.bind(session);
        session.endProfiling = () => {
          end();
          const home = dirname(options.profileFilePrefix!);
          folders.push(home);
          const [name] = readdirSync(home);
          const events = JSON.parse(readFileSync(join(home, name!), "utf8")) as ProfileEvent[];
          for (const { cat, args } of events) {
            if (cat === "Node" && moved(args)) args.provider = "CUDAExecutionProvider";
          }
          writeFileSync(join(home, name!), JSON.stringify(events));
        };
        return session;
      },
    } as unknown as typeof runtime.InferenceSession,
  });

  /** Runs a token through a session, whose other inputs are empty. */
  async function runToken(session: runtime.InferenceSession): Promise<unknown> {
    const inputs = session.inputMetadata.filter((input) => input.isTensor);
    const feeds = inputs.map(({ name, type, shape }) => {
      const dims = shape.map((size) => (typeof size === "number" ? size : 1));
      const size = dims.reduce((a, b) => a * b, 1);
      const first = name.startsWith("num_") ? 1n : 0n;
      const data = type === "int64" ? new BigInt64Array(size).fill(first) : new Float32Array(size);
      return [name, new runtime.Tensor(type as "int64", data as BigInt64Array, dims)] as const;
    });
    return session.run(Object.fromEntries(feeds));
  }

  async function confirm(moved: (event: ProfileEvent["args"]) => boolean): Promise<string> {
    const options = { device: "cuda", threads: 1 } as const;
    const { session, confirmDevice } = await openSession(pretend(moved), graph, options);
    const placed = await confirmDevice(() => runToken(session));
    await session.release();
    return placed;
  }

  const isProduct = ({ op_name: name }: ProfileEvent["args"]): boolean => /MatMul|Gemm/.test(name);
  const isFloat = ({ output_type_shape: [output] }: ProfileEvent["args"]): boolean =>
    output !== undefined && "float" in output;

  test("is refused, and so is one of whose products of matrices the CPU computes one", async () => {
    expect(await messageOf(confirm(() => false))).toMatch(
      /^device cuda: ONNX Runtime would compute (\d+) of this model's \1 operations on the cpu all/,
    );
    let products = 0;
    const allButOne = (event: ProfileEvent["args"]): boolean =>
      !isProduct(event) || (products += 1) > 1;
    expect(await messageOf(confirm(allButOne))).toContain("would compute 1 of this model's");
    expect(products).toBeGreaterThan(6);
  });

  test("is taken where only sizes are computed there, and says of how many operations", async () => {
    let [moved, all] = [0, 0];
    const placed = await confirm((event) => {
      all += 1;
      moved += isFloat(event) ? 1 : 0;
      return isFloat(event);
    });
    expect(moved).toBeLessThan(all);
    expect(placed).toBe(`cuda, with ${all - moved} of ${all} operations on cpu`);
    expect(await confirm(() => true)).toBe("cuda");
  });

  test("is refused with the reason where its first run fails", async () => {
    const options = { device: "cuda", threads: 1 } as const;
    const { confirmDevice } = await openSession(
      pretend(() => true),
      graph,
      options,
    );
    const failing = () => Promise.reject(new Error("libcudnn.so.9 is missing\nat somewhere"));
    expect(await messageOf(confirmDevice(failing))).toMatch(
      /^device cuda: is in .*, but does not start \(libcudnn\.so\.9 is missing\): it needs NVIDIA's driver, CUDA and cuDNN; there is also cpu$/,
    );
  });

  test("leaves no profile behind", () => {
    expect(folders.length).toBeGreaterThan(4);
    expect(folders.filter((path) => existsSync(path))).toEqual([]);
  });
});
