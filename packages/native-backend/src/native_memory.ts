// Blocks of native memory by slot. Released slots are collected and go along with the next native call,
// where nothing can be allocated before they are free.

import type { Addon } from "./addon.js";

/** Elements as JavaScript has them. */
export type NativeValues = Float32Array | Int32Array | Uint8Array;

export class NativeMemory {
  /** How often values were copied out for JavaScript. */
  reads = 0;
  private released: number[] = [];
  private isHolding = false;

  constructor(private readonly addon: Addon) {}

  allocate(bytes: number): number {
    this.flush();
    return this.addon.allocate(bytes);
  }

  release(slot: number): void {
    this.released.push(slot);
  }

  /** From now on, what is released is not passed to native code. */
  hold(): void {
    this.flush();
    this.isHolding = true;
  }

  /** Ends that. Returns the slots that were released meanwhile, which the caller releases again. */
  takeHeld(): readonly number[] {
    this.isHolding = false;
    return this.takeReleased();
  }

  /** The slots released since the last call, which the caller passes to native code. */
  takeReleased(): readonly number[] {
    if (this.isHolding) return [];
    const taken = this.released;
    this.released = [];
    return taken;
  }

  /** Releases what is collected now. */
  flush(): void {
    for (const slot of this.takeReleased()) this.addon.release(slot);
  }

  /** Copies values into a block. */
  write(slot: number, values: NativeValues): void {
    this.addon.write(slot, values);
  }

  /** Copies values out of a block. */
  read(slot: number, values: NativeValues): void {
    this.reads += 1;
    this.addon.read(slot, values);
  }
}
