import { attempt, invalidArgument } from "./errors.js";
import { place, string } from "./internal/input.js";
import { buffer, core, USUAL } from "./internal/wasm.js";
import { Entropy, Key } from "./secrets.js";
import type { Problem } from "./validate.js";

/**
 * What to ask a Key Provider (draft, Table 2). `lenient` lets known deviations of real Key Providers pass in the
 * reply.
 */
export type RequestOptions =
  | { kind: "capabilities"; lenient?: boolean | undefined }
  /**
   * A fresh key, shared with the Key Provider `remote`, of `size` bits (a multiple of 8 from 8 to 65536) or its
   * default.
   */
  | { kind: "newKey"; remote: string; size?: number | undefined; lenient?: boolean | undefined }
  /** The key that the Key Provider `remote` gave out under `keyId`. */
  | { kind: "keyById"; keyId: string; remote: string; lenient?: boolean | undefined }
  /** Random bytes with `bits` bits of entropy or more (a multiple of 8 from 8 to 65536), or the default. */
  | { kind: "entropy"; bits?: number | undefined; lenient?: boolean | undefined };

/**
 * One request, to be sent by a transport of your own, **once**: a GET makes a key or uses one up here, so it is never
 * repeated, redirected or cached.
 */
export type SkipRequest<Options extends RequestOptions = RequestOptions> = Readonly<Options> & {
  readonly method: "GET";
  /** Path and query, percent-encoded, to be put directly behind the Key Provider's URL. */
  readonly target: string;
  /** The headers to send. */
  readonly headers: Readonly<Record<string, string>>;
};

/** What a Key Provider says of itself (draft 4.1). */
export interface Capabilities {
  /** The id of the Key Provider (draft 4.1.1). */
  localSystemId: string;
  /** Ids, or patterns of ids, of those that share keys with it (draft 4.1.2): see `matchesRemote`. */
  remoteSystemIds: string[];
  /** How it makes and synchronises keys, in its own words. */
  algorithm: string;
  /** Whether it offers `GET /key`. */
  supportsKey: boolean;
  /** Whether it offers `GET /entropy`. */
  supportsEntropy: boolean;
  /** What is odd in the reply though it is valid. */
  warnings: Problem[];
}

/** What is read from the reply to a request. */
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
 * @throws {SkipError} `invalid_argument` when an argument breaks a rule of the draft, or is not known.
 */
export function buildRequest<const Options extends RequestOptions>(options: Options): SkipRequest<Options> {
  const known = FIELDS[options?.kind];
  if (known === undefined) {
    throw invalidArgument("kind", "must be capabilities, newKey, keyById or entropy", "name one request of the draft");
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw invalidArgument(name, "is not known here", `give ${known.join(", ")}`);
  }
  const target = withExchange(options, (exchange) => exchange.target());
  const added = { method: "GET", target, headers: HEADERS } as const;
  return Object.freeze(Object.assign({ ...options }, added));
}

const FIELDS: Record<string, readonly string[] | undefined> = {
  capabilities: ["kind", "lenient"],
  newKey: ["kind", "remote", "size", "lenient"],
  keyById: ["kind", "keyId", "remote", "lenient"],
  entropy: ["kind", "bits", "lenient"],
};

const HEADERS = Object.freeze({ accept: "application/json", "cache-control": "no-store" });

/**
 * Reads the reply to a request. Give the body as bytes, and wipe them afterwards: what was a string cannot be
 * wiped. No SKIP
 * reply has more than 64 KiB of body; stop receiving there.
 *
 * @throws {SkipError} For a status other than 200 what it stands for; for a 200 `malformed_response`,
 * `key_id_mismatch`,
 * `size_mismatch` or `weak_key`. The key, if there was one, is wiped.
 */
export function parseResponse<Options extends RequestOptions>(
  request: Options,
  status: number,
  headers: ReplyHeaders,
  body: string | Uint8Array | ArrayBuffer,
): Answer<Options> {
  if (!Number.isInteger(status) || status < 0 || status > 65_535) {
    throw invalidArgument("status", "must be an HTTP status", "for example 200");
  }
  if (typeof body !== "string" && !ArrayBuffer.isView(body) && !(body instanceof ArrayBuffer)) {
    throw invalidArgument("body", "must be text or bytes", "pass the body as it was received");
  }
  const [type, encoding] = [header(headers, "content-type"), header(headers, "content-encoding")];
  const answer = withExchange(request, (exchange) => {
    const [reserved, length] = place(body);
    return JSON.parse(exchange.parse(status, type, encoding, reserved, length));
  });
  if (request.kind === "capabilities") return answer;
  const { bytes: length, ...parts } = answer;
  const bytes = buffer().slice(0, length);
  core.wipe(USUAL, length);
  return (request.kind === "entropy" ? new Entropy(bytes, parts) : new Key(bytes, parts)) as Answer<Options>;
}

/** The core's request lives for one call, so that nobody has to free it. */
function withExchange<T>(options: RequestOptions, use: (exchange: core.Exchange) => T): T {
  return attempt(() => {
    const exchange = exchangeOf(options);
    try {
      return use(exchange);
    } finally {
      exchange.free();
    }
  });
}

function exchangeOf(options: RequestOptions): core.Exchange {
  const { lenient = false } = options;
  if (typeof lenient !== "boolean") throw invalidArgument("lenient", "must be true or false", "false is the default");
  switch (options.kind) {
    case "capabilities":
      return core.Exchange.capabilities(lenient);
    case "newKey":
      return core.Exchange.new_key(string("remote", options.remote), digits("size", options.size), lenient);
    case "keyById":
      return core.Exchange.key_by_id(string("keyId", options.keyId), string("remote", options.remote), lenient);
    case "entropy":
      return core.Exchange.entropy(digits("bits", options.bits), lenient);
    default:
      throw invalidArgument("request", "is not what buildRequest returns", "keep the request for its reply");
  }
}

/** The core reads, and judges, the digits. */
function digits(field: string, bits: unknown): string | undefined {
  if (bits === undefined) return undefined;
  if (typeof bits !== "number") throw invalidArgument(field, "must be a number of bits", "for example 256");
  return String(bits);
}

function header(headers: ReplyHeaders, name: string): string | undefined {
  if (typeof headers !== "object" || headers === null) {
    throw invalidArgument("headers", "must be the headers of the reply", "pass {} when there are none");
  }
  if (typeof headers.get === "function") return headers.get(name) ?? undefined;
  for (const [key, value] of Object.entries(headers)) {
    if (key.toLowerCase() === name && value !== undefined) return String(value);
  }
  return undefined;
}
