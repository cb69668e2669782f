// What the addon says of its kernels, arranged for calls.

import type { NativeContract } from "./addon.js";

export interface Output {
  /** The input that it is written over. */
  readonly over: string | undefined;
  readonly isFp32: boolean;
}

export interface IndexedContract {
  readonly index: number;
  readonly lists: readonly string[];
  /** Inputs, then optional inputs. */
  readonly inputs: readonly string[];
  readonly attributes: readonly string[];
  readonly outputLists: readonly Output[];
  /** Outputs, then optional outputs. */
  readonly outputs: readonly Output[];
}

function indexContract(contract: NativeContract, index: number): IndexedContract {
  const { inPlace, fp32Outputs } = contract;
  const outputOf = (name: string): Output => ({
    over: inPlace[name],
    isFp32: fp32Outputs.includes(name),
  });
  return {
    index,
    lists: contract.lists,
    inputs: [...contract.inputs, ...contract.optionalInputs],
    attributes: contract.attributes,
    outputLists: contract.outputLists.map(outputOf),
    outputs: [...contract.outputs, ...contract.optionalOutputs].map(outputOf),
  };
}

export const indexContracts = (
  contracts: readonly NativeContract[],
): ReadonlyMap<string, IndexedContract> =>
  new Map(contracts.map((contract, index) => [contract.name, indexContract(contract, index)]));
