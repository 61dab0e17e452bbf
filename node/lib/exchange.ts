import { invalidArgument, SkipError } from "./errors.js";
import { bytesOf, flag, knownOptions, place, string } from "./internal/input.js";
import { checked, core, run, taken, USUAL } from "./internal/wasm.js";
import { Entropy, Key } from "./secrets.js";
import type { Problem } from "./validate.js";

/**
 * A request to a Key Provider (draft, Table 2). `lenient` accepts known deviations of real Key Providers in the reply.
 */
export type RequestOptions =
  | { kind: "capabilities"; lenient?: boolean | undefined }
  /** A fresh key, shared with the Key Provider `remote`, of `size` bits (a multiple of 8 from 8 to 65536) or its default. */
  | { kind: "newKey"; remote: string; size?: number | undefined; lenient?: boolean | undefined }
  /** The key that the initiator got from the Key Provider `remote` with `keyId`. */
  | { kind: "keyById"; keyId: string; remote: string; lenient?: boolean | undefined }
  /** Random bytes with at least `bits` bits of entropy (a multiple of 8 from 8 to 65536), or the default. */
  | { kind: "entropy"; bits?: number | undefined; lenient?: boolean | undefined };

/** Options without misspelled members: a generic parameter alone would let them pass. */
export type Exact<Options extends RequestOptions> = Options &
  Record<Exclude<keyof Options, keyof Extract<RequestOptions, { kind: Options["kind"] }>>, never>;

/**
 * One request, to be sent by your own transport, **once**: a GET creates or consumes a key, so it
 * must not be repeated, redirected or cached.
 */
export type SkipRequest<Options extends RequestOptions = RequestOptions> = Readonly<Options> & {
  readonly method: "GET";
  /** Path and query, percent-encoded, to be appended to the Key Provider's URL. */
  readonly target: string;
  /** The headers to send. */
  readonly headers: Readonly<Record<string, string>>;
};

/** The capabilities of a Key Provider (draft 4.1). */
export interface Capabilities {
  /** The id of the Key Provider (draft 4.1.1). */
  localSystemId: string;
  /** Ids, or patterns of ids, of the Key Providers that share keys with it (draft 4.1.2): see `matchesRemote`. */
  remoteSystemIds: string[];
  /** How it generates and synchronises keys, in its own words. */
  algorithm: string;
  /** Whether it offers `GET /key`. */
  supportsKey: boolean;
  /** Whether it offers `GET /entropy`. */
  supportsEntropy: boolean;
  /** Warnings about a valid reply. */
  warnings: Problem[];
}

/** The result of a request. */
export type Answer<Options extends RequestOptions> = Options extends { kind: "capabilities" }
  ? Capabilities
  : Options extends { kind: "entropy" }
    ? Entropy
    : Key;

/** Headers of a reply: what `fetch` or `node:http` gives, or any record of names and values. */
export type ReplyHeaders =
  | { get(name: string): string | null | undefined }
  | Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * The request to send.
 *
 * @throws {SkipError} `invalid_argument` if an argument is unknown or breaks a rule of the draft.
 */
export function buildRequest<const Options extends RequestOptions>(options: Exact<Options>): SkipRequest<Options> {
  const target = targetOf(options);
  const added = { method: "GET", target, headers: HEADERS } as const;
  return Object.freeze(Object.assign({ ...(options as Options) }, added));
}

const KINDS = ["capabilities", "newKey", "keyById", "entropy"] as const;

const FIELDS = {
  capabilities: ["kind", "lenient"],
  newKey: ["kind", "remote", "size", "lenient"],
  keyById: ["kind", "keyId", "remote", "lenient"],
  entropy: ["kind", "bits", "lenient"],
} as const;

const HEADERS = /* @__PURE__ */ Object.freeze({ accept: "application/json", "cache-control": "no-store" });

/**
 * Parses the reply to a request. Pass the body as bytes and wipe them afterwards: a string cannot be wiped. No SKIP reply has
 * a body of more than 64 KiB; stop receiving there.
 *
 * @throws {SkipError} For a status other than 200 the error of that status; for a 200
 * `malformed_response`, `response_too_large`, `key_id_mismatch`, `size_mismatch` or `weak_key`. A
 * key in the reply is wiped.
 */
export function parseResponse<const Options extends RequestOptions>(
  request: Options,
  status: number,
  headers: ReplyHeaders,
  body: string | Uint8Array | ArrayBuffer,
): Answer<Options> {
  const call = argumentsOf(request, [...fieldsOf(request), "method", "target", "headers"]);
  if (!Number.isInteger(status) || status < 0 || status > 65_535) {
    throw invalidArgument("status", "must be an HTTP status", "for example 200");
  }
  const [kind] = call;
  const [type, encoding] = [header(headers, "content-type"), header(headers, "content-encoding")];
  const size = typeof body === "string" ? body.length : bytesOf(body)?.length;
  if (size === undefined) {
    throw invalidArgument("body", "must be text or bytes", "pass the body as it was received; await it first");
  }
  if (size > USUAL) throw tooLarge(status);
  return run(() => {
    const [reserved, length] = place(body);
    const answer = JSON.parse(checked(core.parse_reply(...call, type, encoding, status, reserved, length)));
    if (kind === 0) return answer;
    const { bytes: secret, ...parts } = answer;
    const bytes = taken(secret);
    return kind === 3 ? new Entropy(bytes, parts) : new Key(bytes, parts);
  });
}

function tooLarge(status: number): SkipError {
  return new SkipError({
    code: "response_too_large",
    message: "the reply is larger than the 64 KiB of any SKIP message",
    hint: "this may not be a SKIP Key Provider: check the URL",
    advice: "no",
    status,
  });
}

function targetOf(options: RequestOptions): string {
  const call = argumentsOf(options, fieldsOf(options));
  return run(() => checked(core.request_target(...call)));
}

function fieldsOf(request: RequestOptions): readonly string[] {
  const kind = request?.kind;
  if (KINDS.includes(kind)) return FIELDS[kind];
  throw invalidArgument(
    "kind",
    `must be ${KINDS.join(", ").replace(/, (\w+)$/, " or $1")}`,
    "name one request of the draft",
  );
}

/** Strings that do not apply to a request are empty. */
type Call = [kind: number, remote: string, keyId: string, bits: string, lenient: boolean];

/** A request for the core. The core validates the values; this only checks types and names. */
function argumentsOf(options: RequestOptions, names: readonly string[]): Call {
  const given: Record<string, unknown> = knownOptions(options as unknown as Record<string, unknown>, names);
  const text = (name: string): string => (names.includes(name) ? string(name, given[name]) : "");
  const bits = digits("size", given.size) || digits("bits", given.bits);
  return [KINDS.indexOf(options.kind), text("remote"), text("keyId"), bits, flag("lenient", given.lenient)];
}

/** The core parses and validates the digits. */
function digits(field: string, bits: unknown): string {
  if (bits === undefined) return "";
  if (typeof bits !== "number") throw invalidArgument(field, "must be a number of bits", "for example 256");
  return String(bits);
}

function header(headers: ReplyHeaders, name: string): string {
  if (typeof headers !== "object" || headers === null) {
    throw invalidArgument("headers", "must be the headers of the reply", "pass {} when there are none");
  }
  if (typeof headers.get === "function") return string(name, headers.get(name) ?? "");
  for (const [key, value] of Object.entries(headers)) {
    if (key.toLowerCase() === name && value !== undefined) return string(name, String(value));
  }
  return "";
}
