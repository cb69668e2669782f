// The rules of CONTRIBUTING.md, and the levels of docs/architecture.md as module boundaries.

import nx from "@nx/eslint-plugin";
import tseslint from "typescript-eslint";
import architecture from "./tools/lint/plugin.mjs";

const below = (level) => Array.from({ length: level }, (_, i) => `level:${i}`);

/**
 * A package imports only from lower levels, and of its own level only packages that are tagged `base`. Engines are
 * chosen by programs: libraries import contracts alone.
 */
const levels = [
  { sourceTag: "level:0", onlyDependOnLibsWithTags: ["base:0"] },
  ...[1, 2, 3, 4].map((level) => ({
    sourceTag: `level:${level}`,
    onlyDependOnLibsWithTags: [...below(level), ...(level < 3 ? [`base:${level}`] : [])],
    notDependOnLibsWithTags: ["kind:engine"],
  })),
  // The registry of engines: above the engines, below the programs that choose one.
  { sourceTag: "kind:engines", onlyDependOnLibsWithTags: below(4) },
  { sourceTag: "level:5", onlyDependOnLibsWithTags: [...below(5), "kind:engines"] },
  {
    sourceTag: "kind:tools",
    onlyDependOnLibsWithTags: [...below(6), "kind:tools", "kind:engines"],
  },
];

export default tseslint.config(
  { ignores: ["**/dist/**", "**/build/**", "**/fixtures/**", ".nx/**", "outputs/**", "corpus/**"] },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    plugins: { "@nx": nx, architecture },
    rules: {
      "@nx/enforce-module-boundaries": [
        "error",
        { depConstraints: levels, enforceBuildableLibDependency: false, allow: [] },
      ],
      "architecture/max-exported-names": ["error", 40],
      "architecture/no-import-cycles": "error",
      "architecture/documented-exports": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      // Only types of records, not interfaces, are trees to the compiler.
      "@typescript-eslint/consistent-type-definitions": "off",
      // The empty tree: what a layer without parameters has.
      "@typescript-eslint/no-generated-empty-object-type": "off",
      // Recurses without end over types that contain themselves, as trees do.
      "@typescript-eslint/no-unsafe-class-instance-assignment": "off",
      "@typescript-eslint/no-unused-vars": [
        "error",
        { ignoreRestSiblings: true, argsIgnorePattern: "^_", varsIgnorePattern: "^_" },
      ],
      "@typescript-eslint/no-non-null-assertion": "off", // noUncheckedIndexedAccess asks for them in loops
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        { allowNumber: true, allowBoolean: true },
      ],
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "max-lines": ["error", { max: 300 }],
      "max-lines-per-function": ["error", { max: 60, skipBlankLines: true, skipComments: true }],
      "max-params": ["error", { max: 5 }],
      "max-depth": ["error", 3],
      "no-console": "error",
      "no-restricted-syntax": [
        "error",
        { selector: "ExportDefaultDeclaration", message: "Export by name." },
        { selector: "TSEnumDeclaration", message: "Use a union of strings." },
      ],
    },
  },
  {
    files: ["**/*.test.ts"],
    rules: { "max-lines-per-function": "off", "max-depth": "off" },
  },
  {
    // Programs of users, who print.
    files: ["examples/*.ts"],
    rules: { "no-console": "off" },
  },
  {
    files: ["**/*.mjs"],
    rules: { "max-lines": ["error", { max: 300 }] },
  },
  // Of C++, only the number of lines is looked at: as comments of a script, which is what ESLint can read.
  { files: ["**/*.{cc,h}"], plugins: { architecture }, processor: "architecture/lines" },
  { files: ["**/*.{cc,h}/*.js"], rules: { "max-lines": ["error", { max: 300 }] } },
);
