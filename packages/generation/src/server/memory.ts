// The memory that clients take: bodies, answers that are being written, and answers that were not read yet. All of it
// is counted, so that no number of clients makes the server's memory grow beyond its budget.

/** Bytes that clients hold together. */
export interface MemoryBudget {
  readonly held: number;
  /** Opens an account for one client. */
  open(): MemoryAccount;
}

/** What one client holds. */
export interface MemoryAccount {
  /** Holds `bytes` more. Returns whether they are within the budget; they are not held where not. */
  hold(bytes: number): boolean;
  /** Holds `bytes` for what was not read yet, instead of what was before. Returns whether all is within the budget. */
  holdUnsent(bytes: number): boolean;
  /** Gives everything back. */
  close(): void;
}

/** A budget of `maxBytes` for all clients. */
export function createMemoryBudget(maxBytes: number): MemoryBudget {
  let held = 0;
  return {
    get held() {
      return held;
    },
    open() {
      let [own, unsent, isClosed] = [0, 0, false];
      const take = (bytes: number): void => {
        if (isClosed) return;
        held += bytes;
        own += bytes;
      };
      return {
        hold(bytes) {
          if (held + bytes > maxBytes) return false;
          take(bytes);
          return true;
        },
        holdUnsent(bytes) {
          take(bytes - unsent);
          unsent = bytes;
          return held <= maxBytes;
        },
        close() {
          held -= own;
          [own, isClosed] = [0, true];
        },
      };
    },
  };
}
