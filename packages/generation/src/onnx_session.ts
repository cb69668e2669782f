// A session of ONNX Runtime on a device. ONNX Runtime gives to the CPU, without a word, what another execution provider
// does not take: here a model computes on what was asked for, or is refused.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "@tessera/config";
import type * as Runtime from "onnxruntime-node";
import { checkInstalled, describeFailure, type OnnxDevice } from "./onnx_devices.js";

/** A session, and what computes in it. */
export interface OnnxSession {
  readonly session: Runtime.InferenceSession;
  /**
   * Says what computes: the device and, where some operations are left to the CPU, how many. `run` runs the session once.
   * @throws UserError where matrices are multiplied elsewhere than on the device, and releases the session.
   */
  readonly confirmDevice: (run: () => Promise<unknown>) => Promise<string>;
}

/** What a session needs beside its model. */
export interface OnnxSessionOptions {
  readonly device: OnnxDevice;
  /** 0: one per core. */
  readonly threads: number;
}

/**
 * Opens the model at `path` on a device.
 * @throws UserError where the installed onnxruntime-node lacks the device, or it does not start.
 */
export async function openSession(
  runtime: typeof Runtime,
  path: string,
  { device, threads }: OnnxSessionOptions,
): Promise<OnnxSession> {
  const { InferenceSession, env } = runtime;
  const settings: Runtime.InferenceSession.SessionOptions = {
    executionProviders: [device],
    intraOpNumThreads: threads,
    graphOptimizationLevel: "all",
    logSeverityLevel: 3,
  };
  if (device === "cpu") {
    const session = await InferenceSession.create(path, settings);
    return { session, confirmDevice: () => Promise.resolve(device) };
  }
  const installed = checkInstalled(device, runtime.listSupportedBackends(), env.versions.node);
  // ONNX Runtime prints what it also throws, unless it is told otherwise before its first session.
  if (env.logLevel === "warning") env.logLevel = "fatal";
  const refuse = (reason: unknown) => new UserError(describeFailure(device, installed, reason));
  const folder = mkdtempSync(join(tmpdir(), "tessera-onnx-profile-"));
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true });
  const profiling = { enableProfiling: true, profileFilePrefix: join(folder, "profile") };
  const session = await InferenceSession.create(path, { ...settings, ...profiling }).catch(
    (reason: unknown) => {
      removeFolder();
      throw refuse(reason);
    },
  );
  return {
    session,
    confirmDevice: async (run) => {
      try {
        await run().finally(() => session.endProfiling());
        const [name] = readdirSync(folder);
        return describePlacement(device, readFileSync(join(folder, name!), "utf8"));
      } catch (reason) {
        await session.release();
        throw reason instanceof UserError ? reason : refuse(reason);
      } finally {
        removeFolder();
      }
    },
  };
}

/** A node's run, in what ONNX Runtime's profile has of all runs. */
interface ProfileEvent {
  readonly cat: string;
  readonly args: { readonly op_name?: string; readonly provider?: string };
}

/** Operations that multiply matrices; ONNX Runtime's fused ones have these words in their names. */
const PRODUCT = /MatMul|Gemm|Attention/;

/**
 * What computes, by the profile of a session on `device`. Sizes of tensors are rightly computed on the CPU.
 * @throws UserError where products of matrices are too, or everything.
 */
function describePlacement(device: OnnxDevice, profile: string): string {
  const events = JSON.parse(profile) as readonly ProfileEvent[];
  const nodes = events.filter(({ cat }) => cat === "Node").map(({ args }) => args);
  const onCpu = nodes.filter(({ provider }) => provider === "CPUExecutionProvider");
  const hasProducts = onCpu.some(({ op_name: name = "" }) => PRODUCT.test(name));
  if (hasProducts || onCpu.length === nodes.length) {
    throw new UserError(
      `device ${device}: ONNX Runtime would compute ${onCpu.length} of this model's ${nodes.length} operations on the ` +
        "cpu all the same, products of matrices among them: choose another device, or cpu",
    );
  }
  return onCpu.length === 0
    ? device
    : `${device}, with ${onCpu.length} of ${nodes.length} operations on cpu`;
}
