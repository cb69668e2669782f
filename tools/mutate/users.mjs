// Which tests judge the mutants of a package that its own tests leave alive: those of its users.

/** In their order; `only` is a pattern of names of tests, where a file has more than are needed. */
export const USERS = {
  optim: [{ project: "packages/trainer", files: ["trainer.test"] }],
  mesh: [
    { project: "packages/layers", files: ["layers.test"] },
    { project: "packages/trainer", files: ["lay_out.test"] },
  ],
  "pipeline-parallel": [
    { project: "packages/trainer", files: ["lay_out.test"] },
    { project: "apps/tessera", files: ["schedule.test"] },
  ],
  "tensor-parallel": [{ project: "apps/gpt-ddp", files: ["traffic.test"], only: "^2 " }],
  "data-parallel": [{ project: "packages/trainer", files: ["trainer.test"] }],
  data: [{ project: "packages/trainer", files: ["trainer.test"] }],
};

/** The packages whose tests are tried. */
export const PACKAGES = Object.keys(USERS);
