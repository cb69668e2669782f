// Native calls as they were packed, one after the other, to be made again as one.

/** Packed calls, in which a list of numbers may vary. */
export class CapturedCalls {
  private readonly calls: Float64Array[] = [];
  private readonly places: number[] = [];
  private size = 0;
  private all: Float64Array | null = null;

  /** `varying`: the attribute that is this list itself varies. */
  constructor(readonly varying: readonly number[]) {}

  /** A call, and where in it the varying list begins, perhaps several times. */
  add(packed: Float64Array, places: readonly number[]): void {
    this.places.push(...places.map((place) => this.size + place));
    this.calls.push(packed);
    this.size += packed.length;
  }

  /** All calls, with `varying` in place of the list that was captured. */
  with(varying: readonly number[]): Float64Array {
    if (varying.length !== this.varying.length) {
      throw new Error(`${varying.length} numbers vary, must be ${this.varying.length}`);
    }
    this.all ??= Float64Array.from(this.calls.flatMap((call) => [...call]));
    for (const place of this.places) this.all.set(varying, place);
    return this.all;
  }
}
