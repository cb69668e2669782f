// What went wrong, for people and for scripts.

/** A mistake the user can mend. Its message is one sentence: what, where, and what to do. */
export class UserError extends Error {
  override readonly name = "UserError";
}

/** Exit codes: what a script may rely on. */
export const EXIT = { done: 0, failed: 1, refused: 2, interrupted: 130 } as const;

export const exitCodeOf = (error: unknown): number =>
  error instanceof UserError ? EXIT.refused : EXIT.failed;
