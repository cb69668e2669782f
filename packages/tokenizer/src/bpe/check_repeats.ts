// What of a regular expression may be empty, to find a group of that kind that is repeated: where such a repetition ends
// is another matter in JavaScript than in Oniguruma.

interface Reader {
  readonly source: string;
  at: number;
  /** The least lengths of the groups so far, by number. */
  readonly groups: number[];
}

/** Throws an error where `source`, which is a valid expression for flag u, repeats what may be empty. */
export function checkRepeats(source: string): void {
  readAlternatives({ source, at: 0, groups: [] });
}

/** Reads up to a closing parenthesis or the end. Returns the least length of a match. */
function readAlternatives(reader: Reader): number {
  let least = Infinity;
  let length = 0;
  while (reader.at < reader.source.length && reader.source[reader.at] !== ")") {
    if (take(reader, /\|/y) === undefined) {
      length += readTerm(reader);
    } else {
      least = Math.min(least, length);
      length = 0;
    }
  }
  return Math.min(least, length);
}

function readTerm(reader: Reader): number {
  const length = readAtom(reader);
  const [, sign = "", min = "", comma = "", max = ""] =
    take(reader, /([*+?])\??|\{(\d+)(,?)(\d*)\}\??/y) ?? [];
  if (sign === "" && min === "") return length;
  const most = sign === "?" ? 1 : Number(comma === "" ? min || "2" : max || "2");
  if (length === 0 && most > 1) throw new Error("it repeats what may be empty");
  return length * (sign === "+" ? 1 : Number(min));
}

function readAtom(reader: Reader): number {
  const open = take(reader, /\((\?(?:[:=!]|<[=!]|<\w+>))?/y);
  if (open !== undefined) {
    const [, kind] = open;
    const isCaptured = kind === undefined || /\w/.test(kind);
    const number = isCaptured ? reader.groups.push(0) : 0;
    const length = readAlternatives(reader);
    reader.at += 1; // its parenthesis
    if (isCaptured) reader.groups[number - 1] = length;
    return isCaptured || kind === "?:" ? length : 0;
  }
  const reference = take(reader, /\\([1-9]\d*)/y);
  if (reference !== undefined) return reader.groups[Number(reference[1]) - 1] ?? 0;
  if (take(reader, /\\[bB]|\\k<\w+>|[\^$]/y) !== undefined) return 0;
  take(reader, /\[(?:\\[^]|[^\]\\])*\]|\\(?:[pPu]\{[^}]*\}|x..|u....|c.|[^])|[^]/uy);
  return 1;
}

/** What `pattern`, which is sticky, matches here, which is then behind. */
function take(reader: Reader, pattern: RegExp): RegExpExecArray | undefined {
  pattern.lastIndex = reader.at;
  const found = pattern.exec(reader.source) ?? undefined;
  reader.at += found?.[0].length ?? 0;
  return found;
}
