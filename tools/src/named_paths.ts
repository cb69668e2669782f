// The paths that a program names in its text, found without running it.

import { existsSync } from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";
import * as ts from "typescript";

/** The value of an expression. Where only running the program would give it, the part up to the last known folder. */
interface Value {
  readonly text: string;
  readonly isWhole: boolean;
}

const known = (text: string): Value => ({ text, isWhole: true });
const folderOf = (text: string): Value => ({
  text: text.slice(0, text.lastIndexOf("/") + 1),
  isWhole: false,
});

/** Calls that give back the path they are given, in another form. */
const SAME = new Set(["pathToFileURL", "fileURLToPath", "URL"]);

/** Evaluates expressions of one file. */
function createEvaluator(file: string) {
  const constants = new Map<string, Value>([["__dirname", known(dirname(file))]]);

  const evaluateJoin = (args: readonly ts.Expression[]): Value | undefined => {
    const [first, ...rest] = args.map(evaluate);
    if (first === undefined || !isAbsolute(first.text)) return undefined;
    let path = first;
    for (const part of rest) {
      if (!path.isWhole || part === undefined) return { ...path, isWhole: false };
      path = { text: join(path.text, part.text), isWhole: part.isWhole };
    }
    return path;
  };

  const template = ({ head, templateSpans }: ts.TemplateExpression): Value => {
    let text = head.text;
    for (const { expression, literal } of templateSpans) {
      const value = evaluate(expression);
      if (value === undefined) return folderOf(text);
      text += value.text + literal.text;
      if (!value.isWhole) return folderOf(text);
    }
    return known(text);
  };

  const evaluateCall = (name: string, args: readonly ts.Expression[]): Value | undefined => {
    if (name === "join" || name === "resolve") return evaluateJoin(args);
    if (!SAME.has(name) || args[0] === undefined) return undefined;
    const value = evaluate(args[0]);
    return args[1]?.getText() === "import.meta.url" && value !== undefined
      ? { ...value, text: join(dirname(file), value.text) }
      : value;
  };

  function evaluate(node: ts.Expression): Value | undefined {
    if (ts.isIdentifier(node)) return constants.get(node.text);
    if (ts.isStringLiteralLike(node)) return known(node.text);
    if (ts.isTemplateExpression(node)) return template(node);
    if (ts.isPropertyAccessExpression(node)) return evaluate(node.expression);
    if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
      const callee = node.expression;
      const name = ts.isPropertyAccessExpression(callee) ? callee.name : callee;
      return evaluateCall(name.getText(), node.arguments ?? []);
    }
    return undefined;
  }

  return { evaluate, define: (name: string, value: Value) => constants.set(name, value) };
}

/**
 * The absolute paths that `source`, the text of `file`, names: those that it joins, and literals that name an
 * existing file as seen from the file, its `project` or the `root` of the workspace.
 */
export function namedPaths(file: string, source: string, project: string, root: string): string[] {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true);
  const { evaluate, define } = createEvaluator(file);
  const paths = new Set<string>();
  const findFile = (text: string): string | undefined => {
    const bases = text.startsWith(".") ? [dirname(file)] : [dirname(file), project, root];
    return bases.map((base) => resolve(base, text)).find(existsSync);
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return;
    if (ts.isVariableDeclaration(node) && node.initializer !== undefined) {
      const value = evaluate(node.initializer);
      if (value !== undefined) define(node.name.getText(), value);
    }
    if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
      const value = evaluate(node);
      if (value !== undefined && isAbsolute(value.text)) {
        paths.add(value.text);
        node.arguments?.filter((part) => !ts.isStringLiteralLike(part)).forEach(visit);
        return;
      }
    }
    if (ts.isStringLiteralLike(node) && node.text.includes("/")) {
      const path = findFile(node.text);
      if (path !== undefined) paths.add(path);
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  const [, environment] = /@jest-environment (\S+)/.exec(source) ?? [];
  if (environment !== undefined) paths.add(resolve(project, environment));
  return [...paths].map((path) => path.replace(/(?<=.)\/$/, ""));
}
