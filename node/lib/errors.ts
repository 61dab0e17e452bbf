import type { ErrorCode } from "./generated/codes.js";

export { type ErrorCode, errorCodes } from "./generated/codes.js";

/**
 * What to request next so that both encryptors end up with the same key: the same request again, a new key, or nothing until
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
 * An invalid argument, a failed connection, a refusal by the Key Provider, or an invalid reply. For an invalid message, the
 * validators return problems instead. Neither the message nor a logged error contains a body, a key or a random string.
 */
export class SkipError extends Error {
  override readonly name = "SkipError";
  /** The stable code, the same in every language of the project. */
  readonly code: ErrorCode;
  /** What to do about it; may be empty. */
  readonly hint: string;
  /** What to request next. */
  readonly advice: Advice;
  /** The HTTP status, if the Key Provider replied. */
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
   * The body of a reply with a status other than 200: printable text of at most 512 bytes, with anything that could be a key
   * replaced by `[redacted]`. Show it to a person, do not log it.
   */
  get providerText(): string | undefined {
    return this.#providerText;
  }
}

/** An argument breaks a rule. Never pass a secret here. */
export function invalidArgument(field: string, rule: string, hint: string): SkipError {
  return new SkipError({ code: "invalid_argument", message: `${field}: ${rule}`, hint, advice: "no" });
}
