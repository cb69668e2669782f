// What went wrong, for people and for scripts.

/** A mistake the user can mend. Its message is one sentence: what, where, and what to do. */
export class UserError extends Error {
  override readonly name = "UserError";
}

/** Exit codes: what a script may rely on. */
export const EXIT = { done: 0, failed: 1, refused: 2, interrupted: 130 } as const;

/** What a program that `error` ends says to scripts. */
export const exitCodeOf = (error: unknown): number =>
  error instanceof UserError ? EXIT.refused : EXIT.failed;

/**
 * Runs a program's `main` and sets the process's exit code. A mistake of the user's is told in a
 * sentence; one of ours with its stack.
 */
export async function endWith(name: string, main: () => number | Promise<number>): Promise<void> {
  try {
    process.exitCode = await main();
  } catch (error) {
    const told = error instanceof UserError ? error.message : stackOf(error);
    process.stderr.write(`${name}: ${told}\n`);
    process.exitCode = exitCodeOf(error);
  }
}

const stackOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error);
