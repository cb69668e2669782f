// `@tessera/kernels/laws`: for engines. On each case an engine must give the numbers of the kernel's composite.

export type { Case } from "./laws/case.js";
export { cases, weightCases } from "./laws/cases.js";
export { defined, difference, nameOf, runCase, type Place } from "./laws/run_case.js";
