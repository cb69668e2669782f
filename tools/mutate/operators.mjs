// What a mutant is: a source file with one small fault planted in it, as a slip of the hand would leave it.

import ts from "typescript";

/** @typedef {{ start: number, end: number, text: string }} Replacement Of source from `start` to `end`. */
/** @typedef {Replacement & { line: number, was: string, now: string }} SourceMutant */
/** @typedef {readonly (readonly [gone: ts.Node, text: string])[]} NodeReplacements */

/**
 * Each operator, and what takes its place: of comparisons the border, and the opposite.
 * @type {Readonly<Record<string, readonly string[] | undefined>>}
 */
const OPERATORS = {
  "+": ["-"],
  "-": ["+"],
  "*": ["/"],
  "/": ["*"],
  "%": ["*"],
  "**": ["*"],
  "+=": ["-="],
  "-=": ["+="],
  "*=": ["/="],
  "/=": ["*="],
  "<": ["<=", ">="],
  "<=": ["<", ">"],
  ">": [">=", "<="],
  ">=": [">", "<"],
  "===": ["!=="],
  "!==": ["==="],
  "&&": ["||"],
  "||": ["&&"],
  "&": ["|"],
  "|": ["&"],
  "^": ["&"],
  "<<": [">>"],
  ">>": ["<<"],
  ">>>": ["<<"],
};

/** Calls that are answered by what they are called on, and functions that take another's place. */
const REMOVED_METHODS = ["reverse", "toReversed", "sort", "toSorted", "filter", "slice"];
/** @type {Readonly<Record<string, string | undefined>>} */
const SWAPPED_FUNCTIONS = {
  min: "max",
  max: "min",
  minimum: "maximum",
  floor: "ceil",
  ceil: "floor",
};

/**
 * @param {ts.Node} node
 * @returns {boolean}
 */
const isText = (node) =>
  ts.isStringLiteralLike(node) ||
  ts.isTemplateExpression(node) ||
  (ts.isBinaryExpression(node) && (isText(node.left) || isText(node.right)));

/**
 * Types are no code, and tests need not compare the messages of errors word by word.
 * @param {ts.Node} node
 */
const isSkipped = (node) =>
  ts.isTypeNode(node) ||
  ts.isImportDeclaration(node) ||
  ts.isExportDeclaration(node) ||
  ts.isInterfaceDeclaration(node) ||
  ts.isTypeAliasDeclaration(node) ||
  ts.isThrowStatement(node) ||
  (ts.isNewExpression(node) && /Error$/.test(node.expression.getText()));

/** @param {ts.Expression} node */
const isCall = (node) => ts.isCallExpression(ts.isAwaitExpression(node) ? node.expression : node);

/**
 * What can replace `node`: pairs of the node or token that goes, and the text in its place.
 * @param {ts.Node} node
 * @returns {NodeReplacements}
 */
function replacementsOf(node) {
  if (ts.isBinaryExpression(node)) {
    const { operatorToken } = node;
    if (isText(node)) return [];
    if (operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken) {
      return [node.left, node.right].map((side) => [node, `(${side.getText()})`]);
    }
    return (OPERATORS[operatorToken.getText()] ?? []).map((text) => [operatorToken, text]);
  }
  if (node.kind === ts.SyntaxKind.TrueKeyword) return [[node, "false"]];
  if (node.kind === ts.SyntaxKind.FalseKeyword) return [[node, "true"]];
  if (ts.isNumericLiteral(node)) {
    if (ts.isPropertyAssignment(node.parent) && node.parent.name === node) return [];
    const value = Number(node.text);
    return [value + 1, value - 1].map((other) => [node, other < 0 ? `(${other})` : `${other}`]);
  }
  if (ts.isConditionalExpression(node)) return replaceCondition(node.condition);
  if (ts.isIfStatement(node)) return replaceCondition(node.expression);
  if (ts.isWhileStatement(node)) return [[node.expression, "false"]];
  if (ts.isPrefixUnaryExpression(node)) {
    const { operator } = node;
    const isSign =
      operator === ts.SyntaxKind.MinusToken || operator === ts.SyntaxKind.ExclamationToken;
    return isSign ? [[node, `(${node.operand.getText()})`]] : [];
  }
  if (ts.isExpressionStatement(node)) return isCall(node.expression) ? [[node, ";"]] : [];
  if (ts.isSpreadElement(node)) return [[node, "...[]"]];
  if (ts.isSpreadAssignment(node)) return [[node, "...{}"]];
  if (ts.isCallExpression(node)) return replaceCall(node);
  if (ts.isBlock(node)) {
    const [first] = node.statements;
    const isThrow =
      node.statements.length === 1 && first !== undefined && ts.isThrowStatement(first);
    return node.statements.length === 0 || isThrow ? [] : [[node, "{}"]];
  }
  return [];
}

/**
 * @param {ts.Expression} condition
 * @returns {NodeReplacements}
 */
const replaceCondition = (condition) =>
  ["true", "false"].filter((text) => condition.getText() !== text).map((text) => [condition, text]);

/**
 * @param {ts.CallExpression} call
 * @returns {NodeReplacements}
 */
function replaceCall({ expression, parent }) {
  const name = ts.isPropertyAccessExpression(expression) ? expression.name : expression;
  /** @type {(readonly [ts.Node, string])[]} */
  const found = [];
  const other = ts.isIdentifier(name) ? SWAPPED_FUNCTIONS[name.text] : undefined;
  if (other !== undefined && ts.isPropertyAccessExpression(expression)) found.push([name, other]);
  if (ts.isPropertyAccessExpression(expression) && REMOVED_METHODS.includes(expression.name.text)) {
    if (!ts.isExpressionStatement(parent))
      found.push([expression.parent, expression.expression.getText()]);
  }
  return found;
}

/**
 * Code on one line, short enough to read in a list.
 * @param {string} text
 */
const shorten = (text) => {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > 120 ? `${line.slice(0, 80)} … ${line.slice(-37)}` : line;
};

/**
 * All mutants of a source, each with its line as it `was` and as it is `now`.
 * @param {string} source
 */
export function mutantsOf(source) {
  const file = ts.createSourceFile("source.ts", source, ts.ScriptTarget.ES2023, true);
  /** @type {SourceMutant[]} */
  const mutants = [];
  /** @param {ts.Node} node */
  const visit = (node) => {
    if (isSkipped(node)) return;
    for (const [gone, text] of replacementsOf(node)) {
      const [start, end] = [gone.getStart(), gone.getEnd()];
      const from = source.lastIndexOf("\n", start - 1) + 1;
      const lineEnd = source.indexOf("\n", end);
      const to = lineEnd === -1 ? source.length : lineEnd;
      const line = file.getLineAndCharacterOfPosition(start).line + 1;
      const now = source.slice(from, start) + text + source.slice(end, to);
      mutants.push({
        start,
        end,
        text,
        line,
        was: shorten(source.slice(from, to)),
        now: shorten(now),
      });
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return mutants;
}

/**
 * @param {string} source
 * @param {Replacement} replacement
 */
export const apply = (source, { start, end, text }) =>
  source.slice(0, start) + text + source.slice(end);

const compilerOptions = {
  module: ts.ModuleKind.ESNext,
  target: ts.ScriptTarget.ES2023,
  verbatimModuleSyntax: true,
};

/**
 * The JavaScript of a source. Types are not checked.
 * @param {string} source
 */
export const transpile = (source) => ts.transpileModule(source, { compilerOptions }).outputText;
