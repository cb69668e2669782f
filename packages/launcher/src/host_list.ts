// Slurm's way to write many hosts in few letters: `frontier[00863,00971-00973],login1`.

import { UserError } from "@tessera/config";

/** More than any machine has; a range beyond it is a mistake, refused before memory is taken. */
const MOST = 1 << 20;

/**
 * The hosts of `list`, in its order.
 * @throws UserError where it is no host list.
 */
export function expandHosts(list: string): string[] {
  const hosts = split(list, list).flatMap((entry) => expand(entry, list));
  if (hosts.length === 0) throw new UserError("a host list is empty, must name at least one host");
  return hosts;
}

const wrong = (list: string, why: string): UserError =>
  new UserError(`the host list "${list}" ${why}; it should read like node[01-03,07],other`);

/** At the commas that stand outside of brackets. */
function split(text: string, list: string): string[] {
  const entries: string[] = [];
  let open = false;
  let start = 0;
  for (let i = 0; i <= text.length; i += 1) {
    const letter = text[i];
    if (letter === "[" || letter === "]") {
      if (open === (letter === "[")) throw wrong(list, "has brackets that do not match");
      open = letter === "[";
    } else if (letter === undefined || (letter === "," && !open)) {
      entries.push(text.slice(start, i));
      start = i + 1;
    }
  }
  if (open) throw wrong(list, "has brackets that do not match");
  return entries.filter((entry) => entry !== "");
}

/** One entry, which may hold several brackets: `rack[1-2]node[1-4]`. */
function expand(entry: string, list: string): string[] {
  const bracket = /^([^[\]]*)\[([^[\]]+)\](.*)$/.exec(entry);
  if (bracket === null) {
    if (!/^[A-Za-z0-9._-]+$/.test(entry)) throw wrong(list, `has "${entry}", which is no host`);
    return [entry];
  }
  const [, before = "", ranges = "", after = ""] = bracket;
  const endings = after === "" ? [""] : expand(after, list);
  const numbers = ranges.split(",").flatMap((range) => numbersOf(range, list));
  if (numbers.length * endings.length > MOST) throw wrong(list, `names more than ${MOST} hosts`);
  return numbers.flatMap((number) => endings.map((ending) => `${before}${number}${ending}`));
}

/** `00971-00973`: leading zeros are part of the name. */
function numbersOf(range: string, list: string): string[] {
  const bounds = /^(\d+)(?:-(\d+))?$/.exec(range);
  if (bounds === null) throw wrong(list, `has "${range}", which is no range of numbers`);
  const [, first = "", last = first] = bounds;
  const count = Number(last) - Number(first) + 1;
  if (!(count >= 1 && count <= MOST)) throw wrong(list, `has "${range}", which is no range`);
  return Array.from({ length: count }, (_, i) =>
    String(Number(first) + i).padStart(first.length, "0"),
  );
}

/**
 * Slurm's counts per node, `2(x3),1`: one number per node.
 * @throws UserError where it is none.
 */
export function expandCounts(text: string): number[] {
  return text.split(",").flatMap((part) => {
    const match = /^(\d+)(?:\(x(\d+)\))?$/.exec(part);
    const times = Number(match?.[2] ?? 1);
    if (match === null || times > MOST) {
      throw new UserError(`the counts per node "${text}" should read like 2(x3),1`);
    }
    return Array.from({ length: times }, () => Number(match[1]));
  });
}
