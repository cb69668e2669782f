// For tests that hand arrays to native modules, which know those of Node itself and not of Jest's sandbox:
// `@jest-environment ../../jest.environment.mjs` at the top of a file.

import { TestEnvironment } from "jest-environment-node";

export default class extends TestEnvironment {
  constructor(...given) {
    super(...given);
    Object.assign(this.global, { BigInt64Array, Float32Array, Uint16Array });
  }
}
