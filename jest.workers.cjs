// Tests run sources, and threads run built files: a worker whose program is in `src` is started from `dist`.

const threads = require("node:worker_threads");

const STARTS_BUILT = Symbol.for("tessera.workers");

if (!(STARTS_BUILT in threads.Worker)) {
  threads.Worker = class extends threads.Worker {
    static [STARTS_BUILT] = true;

    constructor(program, options) {
      super(
        program instanceof URL ? new URL(program.href.replace("/src/", "/dist/")) : program,
        options,
      );
    }
  };
}
