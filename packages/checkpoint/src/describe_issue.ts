// What is wrong with a value, according to a schema, in a few words on one line.

import * as v from "valibot";

/** The key of the first issue, and what it must be. */
export function describeIssue([issue]: readonly [
  v.BaseIssue<unknown>,
  ...v.BaseIssue<unknown>[],
]): string {
  const key = v.getDotPath(issue) ?? "all of it";
  return `${key}: ${issue.message}`.replace(/\s+/g, " ");
}
