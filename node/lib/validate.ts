import { invalidArgument } from "./errors.js";
import { bytesOf, encode, flag, knownOptions, place, placeBytes, string } from "./internal/input.js";
import { core, run, USUAL } from "./internal/wasm.js";

/** The draft's three kinds of message. */
export type MessageKind = "capabilities" | "key" | "entropy";

/** A problem with a message. It never contains a value of the message. */
export interface Problem {
  /** The location as a JSON Pointer (RFC 6901), even of a missing member; empty for the whole document. */
  path: string;
  /** A stable code. */
  code: string;
  /** A text for people. That of a `syntax` problem begins with the line and the column. */
  message: string;
  /** An error makes the message invalid; a warning is likely to cause trouble. */
  severity: "error" | "warning";
  /** The section of draft-cisco-skip-02 with the violated rule. */
  section: string;
}

/** Whether a message is valid, and its problems; a valid one may have warnings. */
export interface Verdict {
  valid: boolean;
  problems: Problem[];
}

/** The rules for valid messages. */
export interface ValidateOptions {
  /**
   * `true` accepts known deviations of real Key Providers: other keyIds, `minentropy` as a string, capabilities without
   * `algorithm` or `localSystemID`.
   */
  lenient?: boolean | undefined;
  /** `"as-published"` checks only the constraints of the JSON Schemas in the draft. */
  schema?: "strict" | "as-published" | undefined;
}

/** The result for newline-delimited JSON. */
export interface LinesVerdict {
  /** The number of messages: lines that are not blank. */
  lines: number;
  /** The number of valid messages. */
  valid: number;
  /** The invalid ones. Line numbers start at 1 and include blank lines. */
  invalid: InvalidLine[];
}

/** An invalid message among lines. */
export interface InvalidLine {
  line: number;
  problems: Problem[];
}

/**
 * Validates a message.
 *
 * @param message Text, bytes, or a value as returned by `JSON.parse`. Prefer the text as received:
 * parsing drops repeated members and the notation of numbers.
 * @throws {SkipError} `invalid_argument` for an unknown kind or option, and for a message of
 * another type or of more than 16 MiB.
 */
export function validate(kind: MessageKind, message: unknown, options?: ValidateOptions): Verdict {
  const verdict = check(kind, message, options);
  if (verdict === 0) return { valid: true, problems: [] };
  return { valid: verdict === 1, problems: JSON.parse(run(core.problems)) as Problem[] };
}

/** Validates a reply to `GET /capabilities` (draft 4.1); see {@link validate}. */
export function validateCapabilities(message: unknown, options?: ValidateOptions): Verdict {
  return validate("capabilities", message, options);
}

/** Validates a reply to `GET /key` or `GET /key/{keyId}` (draft 4.2); see {@link validate}. */
export function validateKey(message: unknown, options?: ValidateOptions): Verdict {
  return validate("key", message, options);
}

/** Validates a reply to `GET /entropy` (draft 4.3); see {@link validate}. */
export function validateEntropy(message: unknown, options?: ValidateOptions): Verdict {
  return validate("entropy", message, options);
}

/** Whether a message has no problem of severity `error`; see {@link validate}. */
export function isValid(kind: MessageKind, message: unknown, options?: ValidateOptions): boolean {
  return check(kind, message, options) !== 2;
}

/**
 * Validates newline-delimited JSON, one message per line, all of one kind. Blank lines are skipped.
 *
 * @throws {SkipError} `invalid_argument` if it is neither text nor bytes, or if a line is larger
 * than 16 MiB.
 */
export function validateLines(
  kind: MessageKind,
  lines: string | Uint8Array | ArrayBuffer,
  options?: ValidateOptions,
): LinesVerdict {
  const [kindIs, rules] = [kindNumber(kind), rulesNumber(options)];
  const bytes = typeof lines === "string" ? encode(lines) : bytesOf(lines);
  if (bytes === null) throw invalidArgument("lines", "must be text or bytes", "one JSON text a line");
  const total: LinesVerdict = { lines: 0, valid: 0, invalid: [] };
  let before = 0;
  try {
    for (let start = 0; start < bytes.length; ) {
      const end = endOfLines(bytes, start);
      const part = run(() => {
        const [reserved, length] = placeBytes(bytes.subarray(start, end));
        return JSON.parse(core.check_lines(kindIs, rules, reserved, length, before)) as LinesVerdict & {
          before: number;
        };
      });
      total.lines += part.lines;
      total.valid += part.valid;
      for (const one of part.invalid) total.invalid.push(one);
      before = part.before;
      start = end;
    }
  } finally {
    // the copy of a text is ours to wipe; the caller's bytes are not
    if (typeof lines === "string") bytes.fill(0);
  }
  return total;
}

/** The end of the whole lines that fit the core's buffer; a longer line is passed alone. */
function endOfLines(bytes: Uint8Array, start: number): number {
  if (bytes.length - start <= USUAL) return bytes.length;
  const last = bytes.lastIndexOf(LINE_FEED, start + USUAL - 1);
  if (last >= start) return last + 1;
  const next = bytes.indexOf(LINE_FEED, start + USUAL);
  return next < 0 ? bytes.length : next + 1;
}

const LINE_FEED = 10;

const KINDS = ["capabilities", "key", "entropy"] as const;

/** The kind of message with most members in common, or `null` if there is none. The message may be invalid. */
export function guessKind(message: unknown): MessageKind | null {
  return KINDS[run(() => core.guess(...place(message)))] ?? null;
}

/**
 * Whether one of the entries of a `remoteSystemID` list is this id, or a pattern that matches it (draft 4.1.2): `*`, `?`,
 * `[list]` and `[!list]`, case-sensitive.
 *
 * @throws {SkipError} `invalid_argument` when something is not a string.
 */
export function matchesRemote(remoteSystemIds: Iterable<string>, id: string): boolean {
  if (typeof remoteSystemIds !== "object" || remoteSystemIds === null || !(Symbol.iterator in remoteSystemIds)) {
    throw invalidArgument("remoteSystemIds", "must be a list of strings", "for one entry give [entry]");
  }
  const entries = Array.from(remoteSystemIds, (entry) => string("remoteSystemIds", entry));
  string("id", id);
  return run(() => entries.some((entry) => core.matches_remote(entry, id)));
}

/** 0: no problems; 1: warnings only; 2: invalid. The message is placed last: the core wipes it. */
function check(kind: MessageKind, message: unknown, options: ValidateOptions | undefined): number {
  const [kindIs, rules] = [kindNumber(kind), rulesNumber(options)];
  return run(() => {
    const [reserved, length] = place(message);
    return core.check(kindIs, rules, reserved, length);
  });
}

function kindNumber(kind: MessageKind): number {
  const number = KINDS.indexOf(kind);
  if (number < 0) {
    throw invalidArgument("kind", "must be capabilities, key or entropy", "name the kind of message to check");
  }
  return number;
}

function rulesNumber(options: ValidateOptions | undefined): number {
  if (options === undefined) return 0;
  const { lenient, schema = "strict" } = knownOptions(options, ["lenient", "schema"]);
  const loose = flag("lenient", lenient);
  if (schema === "as-published") return 2;
  if (schema !== "strict") throw invalidArgument("schema", "must be strict or as-published", "strict is the default");
  return loose ? 1 : 0;
}
