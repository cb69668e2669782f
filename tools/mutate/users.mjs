// Which tests judge the mutants of a package that its own tests leave alive: those of its users.

/**
 * @typedef {object} Tests Tests of one project.
 * @property {string} project
 * @property {readonly string[]} [files] Default: all.
 * @property {string} [only] A pattern of names of tests. Default: all.
 */

/**
 * By package, in their order.
 * @type {Readonly<Record<string, readonly Tests[]>>}
 */
export const USERS = {
  optim: [{ project: "packages/trainer", files: ["trainer.test"] }],
  mesh: [
    { project: "packages/layers", files: ["layers.test"] },
    { project: "packages/trainer", files: ["parallelize.test"] },
  ],
  "pipeline-parallel": [
    { project: "packages/trainer", files: ["parallelize.test"] },
    { project: "apps/tessera", files: ["schedule.test"] },
  ],
  "tensor-parallel": [{ project: "apps/gpt-ddp", files: ["traffic.test"], only: "^2 " }],
  "data-parallel": [{ project: "packages/trainer", files: ["trainer.test"] }],
  data: [{ project: "packages/trainer", files: ["trainer.test"] }],
};

/** The packages whose tests are tried. */
export const PACKAGES = Object.keys(USERS);
