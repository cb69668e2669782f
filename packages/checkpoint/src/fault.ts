// What a schema found wrong, in a few words on one line.

import * as v from "valibot";

/** Of the first thing that is wrong: where it stands, and what it must be. */
export function faultOf([issue]: readonly [
  v.BaseIssue<unknown>,
  ...v.BaseIssue<unknown>[],
]): string {
  const place = v.getDotPath(issue) ?? "all of it";
  return `${place}: ${issue.message}`.replace(/\s+/g, " ");
}
