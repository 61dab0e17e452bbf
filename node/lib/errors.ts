import type { ErrorCode } from "./generated/codes.js";

export { type ErrorCode, errorCodes } from "./generated/codes.js";

/**
 * What to ask next so that both encryptors end with the same key: the same request again, a new key, or nothing until
 * something was changed.
 */
export type Advice = "same_request" | "new_key" | "no";

/** The parts of a {@link SkipError}. */
export interface ErrorParts {
  code: ErrorCode;
  message: string;
  hint: string;
  advice: Advice;
  status?: number;
  providerText?: string;
}

/**
 * A wrong argument, a failed connection, a Key Provider that refused, or a wrong reply. An invalid message is not an error:
 * the validators return its problems.
 *
 * Neither the message nor what a log shows of the error contains a body, a key or a random string.
 */
export class SkipError extends Error {
  override readonly name = "SkipError";
  /** Which failure it is; stable, and the same in every language of the project. */
  readonly code: ErrorCode;
  /** What to do about it; may be empty. */
  readonly hint: string;
  /** What to ask next. */
  readonly advice: Advice;
  /** The HTTP status, when the Key Provider answered. */
  readonly status: number | undefined;
  readonly #providerText: string | undefined;

  constructor(parts: ErrorParts) {
    super(parts.message);
    this.code = parts.code;
    this.hint = parts.hint;
    this.advice = parts.advice;
    this.status = parts.status;
    this.#providerText = parts.providerText;
  }

  /**
   * What the Key Provider wrote with a status other than 200: printable text of at most 512 bytes, in which anything that
   * could be a key is replaced by `[redacted]`. Show it to a person, do not log it.
   */
  get providerText(): string | undefined {
    return this.#providerText;
  }
}

/** An argument breaks a rule. Never pass a secret here. */
export function invalidArgument(field: string, rule: string, hint: string): SkipError {
  return new SkipError({ code: "invalid_argument", message: `${field}: ${rule}`, hint, advice: "no" });
}
