// What a client did wrong, or must wait for: a status, a sentence, and what OpenAI's clients read beside it.

import { UserError } from "@tessera/config";

/** What an error says beside its sentence. */
export interface ErrorDetails {
  /** The parameter that is wrong. Default: none. */
  readonly param?: string;
  /** OpenAI's code for it. Default: none. */
  readonly code?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export class HttpError extends Error {
  override readonly name = "HttpError";

  constructor(
    readonly status: number,
    message: string,
    readonly details: ErrorDetails = {},
  ) {
    super(message);
  }
}

/** `error` as clients are told of it; undefined where it is the server's own, which is reported instead. */
export function knownError(error: unknown): HttpError | undefined {
  if (error instanceof HttpError) return error;
  return error instanceof UserError ? new HttpError(400, error.message) : undefined;
}

/** The body of an error, as OpenAI's. */
export const errorBody = ({ status, message, details: { param, code } }: HttpError) => ({
  error: { message, type: typeOf(status), param: param ?? null, code: code ?? null },
});

function typeOf(status: number): string {
  if (status === 429) return "rate_limit_error";
  return status < 500 ? "invalid_request_error" : "server_error";
}
