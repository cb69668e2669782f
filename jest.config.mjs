// One Jest configuration for every package: `nx test <package>` runs it with the package as root.
// Tests import workspace packages by their sources, so a package's tests need no other build;
// tests of command lines and of ranks run the built files, which the `test` target builds first.

/** The tiers of CONTRIBUTING.md, by the names of their files. */
const TIERS = {
  test: "/src/(.+/)?[^./]+\\.test\\.ts$",
  slow: "/src/.+\\.slow\\.test\\.ts$",
  soak: "/src/.+\\.soak\\.test\\.ts$",
};
/** What hangs is ended; a test that waits only for a loaded machine is not. In minutes. */
const LIMITS = { test: 5, slow: 20, soak: 360 };

const PACKAGES = `${import.meta.dirname}/packages`;
const { TESSERA_TIER: tier = "test", TESSERA_TEST_WORKERS: workers = "2" } = process.env;

export default {
  testEnvironment: "node",
  setupFiles: [`${import.meta.dirname}/jest.workers.cjs`],
  testRegex: TIERS[tier],
  transform: {
    "\\.ts$": [
      "@swc/jest",
      {
        jsc: { parser: { syntax: "typescript" }, target: "es2023" },
        module: { type: "commonjs" },
      },
    ],
  },
  moduleNameMapper: {
    "^(\\.{1,2}/.*)\\.js$": "$1",
    "^@tessera/([^/]+)/([^/]+)$": `${PACKAGES}/$1/src/$2.ts`,
    "^@tessera/([^/]+)$": `${PACKAGES}/$1/src/index.ts`,
  },
  // Each use of a global costs a look-up through Jest's sandbox; these stand in inner loops.
  sandboxInjectedGlobals: ["Math", "Float32Array", "Int32Array", "Uint32Array", "Array", "Number"],
  testTimeout: LIMITS[tier] * 60_000,
  maxWorkers: Number(workers),
};
