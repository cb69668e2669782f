// Errors that users can fix, and exit codes.

/** An error that the user can fix. Its message is one sentence: what, where, and what to do. */
export class UserError extends Error {
  override readonly name = "UserError";
}

/** Exit codes, which scripts may rely on. */
export const EXIT = { done: 0, failed: 1, refused: 2, interrupted: 130 } as const;

/** The exit code of a program that `error` ends. */
export const exitCodeOf = (error: unknown): number =>
  error instanceof UserError ? EXIT.refused : EXIT.failed;

/**
 * Runs a program's `main` and sets the process's exit code. Of a UserError it prints the message, of any other error
 * the stack.
 */
export async function endWith(name: string, main: () => number | Promise<number>): Promise<void> {
  try {
    process.exitCode = await main();
  } catch (error) {
    const text = error instanceof UserError ? error.message : stackOf(error);
    process.stderr.write(`${name}: ${text}\n`);
    process.exitCode = exitCodeOf(error);
  }
}

const stackOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error);
