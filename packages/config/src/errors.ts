// Errors that users can fix, and exit codes.

/** An error that the user can fix. Its message is one sentence: what, where, and what to do. */
export class UserError extends Error {
  override readonly name = "UserError";
}

/** An error that ends a run, for which no flag or file is at fault. Its message is one sentence: what, where, and what to do. */
export class RunError extends Error {
  override readonly name = "RunError";
}

/** Whether the message of `error` says all: its stack is of no use to the user. */
export const isPlain = (error: unknown): error is UserError | RunError =>
  error instanceof Error && (error.name === "UserError" || error.name === "RunError");

/** Exit codes, which scripts may rely on. `unread`: nobody reads the output anymore, as a shell says of SIGPIPE. */
export const EXIT = { done: 0, failed: 1, refused: 2, interrupted: 130, unread: 141 } as const;

/** The exit code of a program that `error` ends. */
export const exitCodeOf = (error: unknown): number =>
  error instanceof UserError ? EXIT.refused : EXIT.failed;

/**
 * Runs a program's `main` and sets the process's exit code. Of a UserError or RunError it prints the message, of any
 * other error the stack.
 */
export async function endWith(name: string, main: () => number | Promise<number>): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", onLostOutput);
  try {
    process.exitCode = await main();
  } catch (error) {
    const text = isPlain(error) ? error.message : stackOf(error);
    process.stderr.write(`${name}: ${text}\n`);
    process.exitCode = exitCodeOf(error);
  }
}

let isOutputOptional = false;

/** For programs whose work is not what they print: they go on where nobody reads that anymore. */
export const goOnUnread = (): void => void (isOutputOptional = true);

/** A pipe whose reader has ended, a terminal that was closed, or a full disk behind the output. */
function onLostOutput({ code, message }: NodeJS.ErrnoException): void {
  if (isOutputOptional) return;
  if (code === "EPIPE" || code === "EIO") process.exit(EXIT.unread);
  process.stderr.write(`the output cannot be written: ${message}\n`);
  process.exit(EXIT.failed);
}

/** Of an error of the system, which the program did not make, the message says as much as there is to say. */
function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isSystems = (error as NodeJS.ErrnoException).syscall !== undefined;
  return isSystems ? error.message : (error.stack ?? error.message);
}
