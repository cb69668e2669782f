// What a mutant is: a source file with one small fault planted in it, as a slip of the hand would leave it.

import ts from "typescript";

/** Each operator, and what takes its place: of comparisons the border, and the opposite. */
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
const SWAPPED_FUNCTIONS = {
  min: "max",
  max: "min",
  minimum: "maximum",
  floor: "ceil",
  ceil: "floor",
};

const isText = (node) =>
  ts.isStringLiteralLike(node) ||
  ts.isTemplateExpression(node) ||
  (ts.isBinaryExpression(node) && (isText(node.left) || isText(node.right)));

/** Types are no code; what an error says is not what a test should look at to the letter. */
const isSkipped = (node) =>
  ts.isTypeNode(node) ||
  ts.isImportDeclaration(node) ||
  ts.isExportDeclaration(node) ||
  ts.isInterfaceDeclaration(node) ||
  ts.isTypeAliasDeclaration(node) ||
  ts.isThrowStatement(node) ||
  (ts.isNewExpression(node) && /Error$/.test(node.expression.getText()));

const isCall = (node) => ts.isCallExpression(ts.isAwaitExpression(node) ? node.expression : node);

/** What stands for `node`: pairs of the node or token that goes, and the text in its place. */
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
  if (ts.isConditionalExpression(node)) return forced(node.condition);
  if (ts.isIfStatement(node)) return forced(node.expression);
  if (ts.isWhileStatement(node)) return [[node.expression, "false"]];
  if (ts.isPrefixUnaryExpression(node)) {
    const isSign = [ts.SyntaxKind.MinusToken, ts.SyntaxKind.ExclamationToken].includes(
      node.operator,
    );
    return isSign ? [[node, `(${node.operand.getText()})`]] : [];
  }
  if (ts.isExpressionStatement(node)) return isCall(node.expression) ? [[node, ";"]] : [];
  if (ts.isSpreadElement(node)) return [[node, "...[]"]];
  if (ts.isSpreadAssignment(node)) return [[node, "...{}"]];
  if (ts.isCallExpression(node)) return ofCall(node);
  if (ts.isBlock(node)) {
    const isThrow = node.statements.length === 1 && ts.isThrowStatement(node.statements[0]);
    return node.statements.length === 0 || isThrow ? [] : [[node, "{}"]];
  }
  return [];
}

const forced = (condition) =>
  ["true", "false"].filter((text) => condition.getText() !== text).map((text) => [condition, text]);

function ofCall({ expression, parent }) {
  const name = ts.isPropertyAccessExpression(expression) ? expression.name : expression;
  const found = [];
  const other = ts.isIdentifier(name) ? SWAPPED_FUNCTIONS[name.text] : undefined;
  if (other !== undefined && ts.isPropertyAccessExpression(expression)) found.push([name, other]);
  if (ts.isPropertyAccessExpression(expression) && REMOVED_METHODS.includes(name.text)) {
    if (!ts.isExpressionStatement(parent))
      found.push([name.parent.parent, expression.expression.getText()]);
  }
  return found;
}

/** A line of code, or of several as one, short enough to read in a list. */
const shortened = (text) => {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > 120 ? `${line.slice(0, 80)} … ${line.slice(-37)}` : line;
};

/** `{ start, end, text }` of each mutant, with its line as it was and as it is `now`. */
export function mutantsOf(source) {
  const file = ts.createSourceFile("source.ts", source, ts.ScriptTarget.ES2023, true);
  const mutants = [];
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
        was: shortened(source.slice(from, to)),
        now: shortened(now),
      });
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return mutants;
}

export const apply = (source, { start, end, text }) =>
  source.slice(0, start) + text + source.slice(end);

const compilerOptions = {
  module: ts.ModuleKind.ESNext,
  target: ts.ScriptTarget.ES2023,
  verbatimModuleSyntax: true,
};

/** What the compiler makes of a source, types left aside. */
export const built = (source) => ts.transpileModule(source, { compilerOptions }).outputText;
