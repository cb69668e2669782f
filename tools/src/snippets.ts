// Programs in READMEs and examples, and what they claim to print: `// prints: 21` behind a `console.log`.

import * as ts from "typescript";

/** Around the output of each `console.log`: two characters that no program prints. */
const [BEGIN, END] = ["\u0001", "\u0002"];

export interface Snippet {
  /** The program, which marks in its output what it claims to print. */
  readonly marked: string;
  /** What is claimed, in the order of the text. */
  readonly claims: readonly string[];
  /** Comments that state something which nobody would compare. */
  readonly loose: readonly string[];
}

const isLog = (node: ts.Node): node is ts.ExpressionStatement =>
  ts.isExpressionStatement(node) && node.getText().startsWith("console.log(");

/** Digits, quotes, brackets, words of JavaScript's own and names of arrays: a value rather than a remark. */
const VALUE = /^(-?\d|["'`[{(]|(true|false|null|undefined|NaN)\b|\w+Array\b|=|→)/;

/** Reads the claims of a program. */
export function snippetOf(source: string): Snippet {
  const tree = ts.createSourceFile("snippet.ts", source, ts.ScriptTarget.Latest, true);
  const claims: string[] = [];
  const loose: string[] = [];
  const inserted: [at: number, text: string][] = [];
  const seen = new Set<number>();
  const visit = (node: ts.Node): void => {
    // The innermost first: a comment behind a loop's last statement is behind the loop too.
    ts.forEachChild(node, visit);
    const behind = ts.getTrailingCommentRanges(source, node.end) ?? [];
    const before = [
      ...(ts.getLeadingCommentRanges(source, node.pos) ?? []),
      ...(ts.getTrailingCommentRanges(source, node.pos) ?? []),
    ];
    for (const { pos, end } of isLog(node) ? behind : [...behind, ...before]) {
      if (seen.has(pos)) continue;
      seen.add(pos);
      const comment = source.slice(pos + 2, end).trim();
      const [, claim] = /^prints: (.+)$/.exec(comment) ?? [];
      if (claim !== undefined && isLog(node)) {
        const mark = (text: string) => `process.stdout.write(${JSON.stringify(text)});`;
        inserted.push([node.getStart(), `{${mark(`${BEGIN}${claims.length} `)}`]);
        inserted.push([node.end, `${mark(END)}}`]);
        claims.push(claim);
      } else if (claim !== undefined || isLog(node) || VALUE.test(comment)) loose.push(comment);
    }
  };
  visit(tree);
  const marked = inserted
    .sort(([a], [b]) => b - a)
    .reduce((text, [at, mark]) => text.slice(0, at) + mark + text.slice(at), source);
  return { marked, claims, loose };
}

/** What a marked program printed for each of its claims, in the claims' order and their spelling of blanks. */
export function printedFor(output: string, { claims }: Snippet): string[] {
  const printed = output.split(BEGIN).slice(1);
  return claims.map((_, index) => {
    const texts = printed
      .filter((text) => text.startsWith(`${index} `))
      .map((text) => text.slice(`${index} `.length, text.indexOf(END)));
    return texts.map((text) => text.trim().replaceAll(/\s+/g, " ")).join(" and then ");
  });
}
