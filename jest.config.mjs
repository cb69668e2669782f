// One Jest configuration for every package: `nx test <package>` runs it with the package as root.
// Tests import workspace packages by their sources, so a package's tests need no other build;
// tests of command lines run the built files, which the `test` target builds first.

export default {
  testEnvironment: "node",
  testMatch: ["<rootDir>/src/**/*.test.ts"],
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
    "^@tessera/([^/]+)/([^/]+)$": "<rootDir>/../../packages/$1/src/$2.ts",
    "^@tessera/([^/]+)$": "<rootDir>/../../packages/$1/src/index.ts",
  },
  // Each use of a global costs a look-up through Jest's sandbox; these stand in inner loops.
  sandboxInjectedGlobals: ["Math", "Float32Array", "Int32Array", "Uint32Array", "Array", "Number"],
  testTimeout: 60_000,
  maxWorkers: 2,
};
