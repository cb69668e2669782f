// Misplacements: a source with one conversion between placements, or one layer, removed, doubled or swapped.

import ts from "typescript";

/** @typedef {"removed" | "doubled" | "swapped"} Change */
/** @typedef {{ change: Change, line: number, what: string, source: string }} Misplacement */
/** @typedef {{ change: Change, node: ts.Node, text: string }} Edit */

/** Conversions that return work under way, and the one that takes each one's place. */
const CONVERSIONS = new Map([
  ["enter", "allReduce"],
  ["allReduce", "enter"],
  ["allGather", "reduceScatter"],
  ["reduceScatter", "allGather"],
  ["gather", "reduce"],
  ["reduce", "gather"],
]);

/** Calls that take a layer, an embedding or gradients, and return the same as ranks have it elsewhere. */
const WRAPPERS = new Set([
  "wrap",
  "wrapEmbedding",
  "residual",
  "completeGradients",
  "allReduceOver",
]);

/** Names that take each other's place. */
const TWINS = new Map([
  ["columns", "rows"],
  ["rows", "columns"],
  ["weightShard", "tokenShard"],
  ["tokenShard", "weightShard"],
]);

/** Calls whose arguments are layers, whose order counts; and whose last argument's properties are. */
const SEQUENCE = "sequence";
const BRANCHES = "parallel";
const ROLES = "preNorm";

/** @param {ts.CallExpression} call */
const nameOf = ({ expression }) =>
  ts.isPropertyAccessExpression(expression) ? expression.name.text : expression.getText();

/** @param {string} text */
const done = (text) => `({ done: true as const, wait: () => ${text} })`;

/**
 * @param {ts.CallExpression} call
 * @returns {Edit[]}
 */
function ofConversion(call) {
  const twin = CONVERSIONS.get(nameOf(call));
  const {
    expression,
    typeArguments,
    arguments: [x, ...rest],
  } = call;
  // `gather` and `reduce` of other things, such as of arrays, are called on other names.
  if (twin === undefined || x === undefined || !ts.isPropertyAccessExpression(expression))
    return [];
  const owner = expression.expression.getText();
  if (!/^(comm|convert)$|^conversions/.test(owner)) return [];
  const types =
    typeArguments === undefined ? "" : `<${typeArguments.map((type) => type.getText()).join()}>`;
  const others = rest.map((argument) => `, ${argument.getText()}`).join("");
  const callWith = (/** @type {string} */ name, /** @type {string} */ first) =>
    `${owner}.${name}${name === expression.name.text ? types : ""}(${first}${others})`;
  const name = expression.name.text;
  return [
    { change: "removed", node: call, text: done(x.getText()) },
    { change: "doubled", node: call, text: callWith(name, `${call.getText()}.wait()`) },
    { change: "swapped", node: call, text: callWith(twin, x.getText()) },
  ];
}

/**
 * @param {ts.CallExpression} call
 * @returns {Edit[]}
 */
function ofWrapper(call) {
  const x = call.arguments.at(-1);
  if (!WRAPPERS.has(nameOf(call)) || x === undefined || !isExpression(call)) return [];
  const others = call.arguments
    .slice(0, -1)
    .map((argument) => `${argument.getText()}, `)
    .join("");
  const twice = `${call.expression.getText()}(${others}${call.getText()})`;
  return [
    { change: "removed", node: call, text: x.getText() },
    { change: "doubled", node: call, text: twice },
  ];
}

/** @param {ts.CallExpression} call */
const isExpression = (call) => !ts.isExpressionStatement(call.parent);

/**
 * @param {ts.CallExpression} call
 * @returns {Edit[]}
 */
function ofSequence(call) {
  const list = call.arguments.map((one) => one.getText());
  const rebuilt = (/** @type {readonly string[]} */ texts) =>
    `${call.expression.getText()}(${texts.join(", ")})`;
  return list.flatMap((layer, i) => {
    const next = list[i + 1];
    const swapped = next === undefined ? [] : [rebuilt(list.with(i, next).with(i + 1, layer))];
    return [
      { change: /** @type {const} */ ("removed"), node: call, text: rebuilt(list.toSpliced(i, 1)) },
      {
        change: /** @type {const} */ ("doubled"),
        node: call,
        text: rebuilt(list.toSpliced(i, 0, layer)),
      },
      ...swapped.map((text) => ({ change: /** @type {const} */ ("swapped"), node: call, text })),
    ];
  });
}

/**
 * Removes each layer of a record, and swaps each with the next; a name cannot be there twice.
 * @param {ts.CallExpression} call
 * @returns {Edit[]}
 */
function ofRecord(call) {
  const record = call.arguments.at(-1);
  if (record === undefined || !ts.isObjectLiteralExpression(record)) return [];
  const entries = record.properties.map((one) => {
    const name = one.name?.getText() ?? "";
    return [name, ts.isPropertyAssignment(one) ? one.initializer.getText() : name];
  });
  const rebuilt = (/** @type {readonly string[][]} */ some) =>
    `{ ${some.map(([name, value]) => `${name}: ${value}`).join(", ")} }`;
  return entries.flatMap(([name, value], i) => {
    const next = entries[i + 1];
    const without = rebuilt(entries.toSpliced(i, 1));
    /** @type {Edit[]} */
    const edits = [{ change: "removed", node: record, text: without }];
    if (next === undefined) return edits;
    const swapped = entries
      .with(i, [name ?? "", next[1] ?? ""])
      .with(i + 1, [next[0] ?? "", value ?? ""]);
    return [...edits, { change: "swapped", node: record, text: rebuilt(swapped) }];
  });
}

/**
 * @param {ts.CallExpression} call
 * @returns {Edit[]}
 */
function ofLayers(call) {
  const name = nameOf(call);
  if (name === SEQUENCE) return ofSequence(call);
  return name === BRANCHES || name === ROLES ? ofRecord(call) : [];
}

/**
 * @param {ts.Node} node
 * @returns {Edit[]}
 */
function editsOf(node) {
  if (ts.isCallExpression(node)) {
    return [
      ...ofConversion(node),
      ...ofWrapper(node),
      ...ofLayers(node),
      ...ofName(node.expression),
    ];
  }
  return ts.isPropertyAccessExpression(node) ? ofName(node) : [];
}

/**
 * @param {ts.Node} node
 * @returns {Edit[]}
 */
function ofName(node) {
  const name = ts.isPropertyAccessExpression(node) ? node.name : node;
  const twin = ts.isIdentifier(name) ? TWINS.get(name.text) : undefined;
  return twin === undefined ? [] : [{ change: "swapped", node: name, text: twin }];
}

/**
 * @param {string} source
 * @returns {readonly Misplacement[]}
 */
export function misplacementsOf(source) {
  const file = ts.createSourceFile("source.ts", source, ts.ScriptTarget.Latest, true);
  /** @type {Edit[]} */
  const edits = [];
  const visit = (/** @type {ts.Node} */ node) => {
    edits.push(...editsOf(node));
    ts.forEachChild(node, visit);
  };
  visit(file);
  const seen = new Set();
  return edits.flatMap(({ change, node, text }) => {
    const start = node.getStart();
    const key = `${start} ${node.getEnd()} ${text}`;
    if (seen.has(key)) return [];
    seen.add(key);
    const { line } = file.getLineAndCharacterOfPosition(start);
    const what = `${node.getText()} -> ${text}`.replace(/\s+/g, " ");
    const changed = `${source.slice(0, start)}${text}${source.slice(node.getEnd())}`;
    return [{ change, line: line + 1, what, source: changed }];
  });
}
