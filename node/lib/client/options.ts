/** The options of a client, checked once. */
import { isUtf8 } from "node:buffer";
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import tls from "node:tls";
import { failure } from "./errors.js";
import { Log, type Logger } from "./log.js";

/** PEM: bytes, text that begins with `-----BEGIN`, or the path of a file, which is read again for each connection. */
export type Pem = string | Uint8Array;

/**
 * A pre-shared key and its identity. The form of a key cannot be detected, so it must be named. A
 * string, or `file`, is the path of a file with a line `identity:hex` for each identity, or with
 * one line of hexadecimal digits.
 */
export type Psk =
  | string
  | { identity: string; hex: string }
  | { identity: string; text: string }
  | { identity: string; base64: string }
  | { identity: string; raw: Uint8Array }
  | { file: string; identity?: string | undefined };

/** How to reach and trust a Key Provider. Times are in milliseconds. */
export interface ClientOptions {
  /** Certificates of the CAs to trust; `"system"` is the system's store. Needed unless `pin` or `psk` is given. */
  ca?: Pem | readonly Pem[] | undefined;
  /** The client's certificate, with its chain. */
  cert?: Pem | undefined;
  /** The private key of `cert`. */
  key?: Pem | undefined;
  /** The password of an encrypted `key`. */
  keyPassword?: string | undefined;
  /**
   * A pre-shared key instead of certificates. Node supports pre-shared keys only in TLS 1.2: the
   * Key Provider must offer a DHE-PSK or PSK suite with AES-256 there.
   */
  psk?: Psk | undefined;
  /** The name that the Key Provider's certificate must have, instead of the URL's host. */
  serverName?: string | undefined;
  /**
   * `sha256/BASE64`: the SHA-256 of the Key Provider's public key (SubjectPublicKeyInfo). With `ca`
   * both must match; with a pin alone, neither chain nor name nor dates are checked.
   */
  pin?: string | undefined;
  /** Versions of TLS to offer: `auto` (1.3 and 1.2), `1.2` or `1.3`. */
  tls?: "auto" | "1.2" | "1.3" | undefined;
  /** Milliseconds for a whole call: 10,000 by default. */
  timeout?: number | undefined;
  /** Milliseconds for name resolution, TCP and TLS of one Key Provider: 3,000 by default. */
  connectTimeout?: number | undefined;
  /** Milliseconds to keep retrying a busy Key Provider, as its `Retry-After` says: 0 by default. */
  waitWhenBusy?: number | undefined;
  /** `http://[user:password@]host[:port]` of an HTTP proxy with CONNECT. Proxy environment variables are ignored. */
  proxy?: string | undefined;
  /** The local IP address to connect from. */
  sourceAddress?: string | undefined;
  /** Accept known deviations of real Key Providers from the draft. */
  lenient?: boolean | undefined;
  /** Fetch the capabilities before the first key, and refuse remotes and methods that they do not list: true by default. */
  checkRemote?: boolean | undefined;
  /** Offer a post-quantum key exchange if Node has one (24 and later): true by default. */
  postQuantum?: boolean | undefined;
  /** Refuse pre-shared keys without forward secrecy. */
  forwardSecrecy?: boolean | undefined;
  /**
   * Also offer `TLS_RSA_WITH_AES_256_CBC_SHA256`, which Table 1 of the draft recommends but which
   * is no longer secure. It has no forward secrecy, so it cannot be combined with `forwardSecrecy`.
   */
  legacy?: boolean | undefined;
  /** Ends all calls of the client when it is aborted. */
  signal?: AbortSignal | undefined;
  /** Takes lines about connections, for example `console`. Without one, `NODE_DEBUG=skip-client` shows them. */
  logger?: Logger | undefined;
}

/** The names: a test compares them with the core's table. */
export const OPTION_NAMES = [
  "ca",
  "cert",
  "key",
  "keyPassword",
  "psk",
  "serverName",
  "pin",
  "tls",
  "timeout",
  "connectTimeout",
  "waitWhenBusy",
  "proxy",
  "sourceAddress",
  "lenient",
  "checkRemote",
  "postQuantum",
  "forwardSecrecy",
  "legacy",
  "signal",
  "logger",
] as const satisfies readonly (keyof ClientOptions)[];

/** Refuses what is not an option: a misspelled one must not be ignored. */
export function checkNames(given: unknown, names: readonly string[]): void {
  if (typeof given !== "object" || given === null) throw failure("optionsType", { names: names.join(", ") });
  for (const name of Object.keys(given)) {
    // a name could be anything, also a secret in the wrong place
    const option = /^\w{1,30}$/.test(name) && !/^[0-9a-f]{16,}$/i.test(name) ? name : "options";
    if (names.includes(name)) continue;
    throw failure(names === OPTION_NAMES ? "unknownOption" : "unknownMember", { option, names: names.join(", ") });
  }
}

/** The URL of a Key Provider in its parts. */
export interface Place {
  url: string;
  host: string;
  port: number;
  /** Host and port, for the Host header: without a port that is the default. */
  authority: string;
  /** Without a slash at its end. */
  path: string;
}

export function placeOf(url: unknown): Place {
  if (typeof url !== "string") throw failure("urlType");
  if (!/^https:\/\//i.test(url)) throw failure("urlScheme");
  if (/[?#]/.test(url)) throw failure("urlQuery");
  if (/^https:\/\/[^/]*@/i.test(url)) throw failure("urlUser");
  const path = (/^https:\/\/[^/]*(.*)$/is.exec(url)?.[1] ?? "").replace(/\/+$/, "");
  // no spaces, line feeds or backslashes, which URL would repair silently
  const printable = /^[\x21-\x5b\x5d-\x7e]*$/;
  if (!printable.test(path)) throw failure("urlPath");
  const parsed = printable.test(url) ? parse(url) : undefined;
  if (!parsed?.hostname || parsed.port === "0") throw failure("urlHost");
  // URL takes 0x7f000001 and 127.1 for 127.0.0.1
  const written = /^https:\/\/([^/:]*)/i.exec(url)?.[1];
  if (isIP(parsed.hostname) === 4 && written !== parsed.hostname) throw failure("urlNumber");
  if (path.endsWith("/capabilities")) throw failure("urlMethod");
  const { host: authority, port } = parsed;
  const host = parsed.hostname.replace(/^\[(.*)\]$/, "$1");
  return { url: `https://${authority}${path}`, host, port: Number(port || 443), authority, path };
}

function parse(url: string): URL | undefined {
  try {
    return new URL(url);
  } catch {
    return undefined;
  }
}

/** An HTTP proxy that understands CONNECT. */
export interface HttpProxy {
  host: string;
  port: number;
  /** The value of a Proxy-Authorization header. */
  authorization: string | undefined;
}

function proxyOf(url: unknown): HttpProxy | undefined {
  if (url === undefined) return undefined;
  if (typeof url !== "string" || !/^http:\/\//i.test(url)) throw failure("proxyScheme");
  const parsed = parse(url);
  if (!parsed?.hostname) throw failure("proxyHost");
  if (parsed.pathname !== "/" || parsed.search || parsed.hash) throw failure("proxyPath");
  // the bytes, which need not be UTF-8; decodeURIComponent would throw for a % without digits
  const bytes = (text: string): string =>
    text.replace(/%([0-9a-f]{2})/gi, (_, digits) => String.fromCharCode(Number.parseInt(digits, 16)));
  const user = Buffer.from(`${bytes(parsed.username)}:${bytes(parsed.password)}`, "latin1");
  return {
    host: parsed.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: Number(parsed.port || 80),
    authorization: parsed.username ? `Basic ${user.toString("base64")}` : undefined,
  };
}

/** A client's options, checked. Files are read for each connection, so that a renewed one counts. */
export interface Settings {
  credentials: () => Credentials;
  serverName: string | undefined;
  pin: Buffer | undefined;
  tls: "auto" | "1.2" | "1.3";
  timeout: number;
  connectTimeout: number;
  waitWhenBusy: number;
  proxy: HttpProxy | undefined;
  sourceAddress: string | undefined;
  lenient: boolean;
  checkRemote: boolean;
  postQuantum: boolean;
  forwardSecrecy: boolean;
  legacy: boolean;
  signal: AbortSignal | undefined;
  log: Log;
}

/** What proves each side. */
export type Credentials =
  | { psk: { identity: string; key: Buffer } }
  | { psk?: undefined; ca: (string | Buffer)[] | undefined; cert?: Buffer; key?: Buffer };

export function settingsOf(options: ClientOptions): Settings {
  checkNames(options, OPTION_NAMES);
  const { ca, cert, key, psk, keyPassword, pin, serverName, tls: versions = "auto", sourceAddress } = options;
  if (psk !== undefined) {
    for (const option of ["ca", "cert", "key", "keyPassword", "pin", "serverName"] as const) {
      if (options[option] !== undefined) throw failure("pskWith", { option });
    }
    if (options.legacy) throw failure("pskWith", { option: "legacy" });
    if ("bun" in process.versions || "deno" in process.versions) throw failure("pskNotInNode");
    if (versions === "1.3") throw failure("pskVersion");
  } else if (ca === undefined && pin === undefined) throw failure("noTrust");
  if ((cert === undefined) !== (key === undefined)) {
    throw failure("halfClientCert", { option: cert === undefined ? "cert" : "key" });
  }
  if (keyPassword !== undefined && typeof keyPassword !== "string") throw failure("passwordType");
  if (serverName !== undefined && !(typeof serverName === "string" && /^[\w.:-]{1,253}$/.test(serverName))) {
    throw failure("serverName");
  }
  if (sourceAddress !== undefined && !(typeof sourceAddress === "string" && isIP(sourceAddress))) {
    throw failure("sourceAddress");
  }
  if (options.legacy && options.forwardSecrecy) throw failure("legacy");
  if (!["auto", "1.2", "1.3"].includes(versions)) throw failure("tlsVersions");
  const credentials =
    psk === undefined
      ? () => ({
          ca: ca === undefined ? undefined : casOf(ca),
          ...(cert !== undefined && key !== undefined ? clientCertOf(cert, key, keyPassword) : {}),
        })
      : () => ({ psk: pskOf(psk) });
  // a wrong file or key is reported at once, not at the first call
  credentials();
  return {
    credentials,
    serverName,
    pin: pinOf(pin),
    tls: versions,
    timeout: time("timeout", options.timeout, 10_000),
    connectTimeout: time("connectTimeout", options.connectTimeout, 3000),
    waitWhenBusy: time("waitWhenBusy", options.waitWhenBusy, 0),
    proxy: proxyOf(options.proxy),
    sourceAddress,
    lenient: flag("lenient", options.lenient, false),
    checkRemote: flag("checkRemote", options.checkRemote, true),
    postQuantum: flag("postQuantum", options.postQuantum, true),
    forwardSecrecy: flag("forwardSecrecy", options.forwardSecrecy, false),
    legacy: flag("legacy", options.legacy, false),
    signal: signalOf(options.signal),
    log: new Log(loggerOf(options.logger)),
  };
}

/** The longest time: what Node's timers take. */
const LONGEST = 2 ** 31 - 1;

export function time(option: string, value: unknown, otherwise: number): number {
  if (value === undefined) return otherwise;
  const least = option === "waitWhenBusy" ? 0 : 1;
  if (typeof value !== "number" || !(value >= least && value <= LONGEST)) {
    throw failure("time", { option, least, most: LONGEST });
  }
  return value;
}

function flag(option: string, value: unknown, otherwise: boolean): boolean {
  if (value === undefined) return otherwise;
  if (typeof value !== "boolean") throw failure("flag", { option });
  return value;
}

export function signalOf(signal: unknown): AbortSignal | undefined {
  if (signal === undefined) return undefined;
  const like = typeof signal === "object" && signal !== null && "aborted" in signal && "addEventListener" in signal;
  if (!like) throw failure("signal");
  return signal as AbortSignal;
}

function loggerOf(logger: unknown): Logger | undefined {
  if (logger === undefined) return undefined;
  const has = (name: string): boolean => typeof (logger as Record<string, unknown> | null)?.[name] === "function";
  if (["debug", "info", "warn"].every(has)) return logger as Logger;
  throw failure("logger");
}

function pinOf(pin: unknown): Buffer | undefined {
  if (pin === undefined) return undefined;
  const digest = typeof pin === "string" && pin.startsWith("sha256/") ? pin.slice("sha256/".length) : "";
  if (!/^[A-Za-z0-9+/]{43}=$/.test(digest)) throw failure("pin");
  return Buffer.from(digest, "base64");
}

/** How openssl takes each part out of PKCS#12, and out of DER. */
const CONVERT: Record<string, readonly [pkcs12: string, der: string]> = {
  ca: ["-nokeys -cacerts -out ca.pem", "x509 -inform DER -in FILE -out cert.pem"],
  cert: ["-nokeys -out cert.pem", "x509 -inform DER -in FILE -out cert.pem"],
  key: ["-nocerts -noenc -out key.pem", "pkey -inform DER -in FILE -out key.pem"],
};

const SEQUENCE = 0x30;

/** PKCS#12 is a SEQUENCE that begins with version 3 (RFC 7292, 4). */
function isPkcs12(content: Buffer): boolean {
  const long = content[1] !== undefined && content[1] > 0x80 ? content[1] & 0x0f : 0;
  return content[0] === SEQUENCE && content.subarray(2 + long, 5 + long).equals(Buffer.from([2, 1, 3]));
}

/** The content of PEM or of the file that it names. The value is never shown: it may be a secret in the wrong place. */
function pemOf(option: "ca" | "cert" | "key", pem: unknown): Buffer {
  const content = contentOf(option, pem);
  const [pkcs12, der] = CONVERT[option] as readonly [string, string];
  if (isPkcs12(content)) throw failure("pkcs12", { option, how: pkcs12 });
  if (content.includes("-----BEGIN ")) return content;
  if (content[0] === SEQUENCE) throw failure("der", { option, how: der });
  throw option === "key" ? failure("noKey") : failure("noCertificate", { option });
}

function contentOf(option: string, given: unknown): Buffer {
  if (given instanceof Uint8Array) return Buffer.from(given);
  if (typeof given !== "string") throw failure("pemType", { option });
  if (given.trimStart().startsWith("-----BEGIN")) return Buffer.from(given);
  try {
    return readFileSync(given);
  } catch (error) {
    const secret = looksLike(given);
    if (secret !== undefined) throw failure("noFile", { option, secret });
    const reason = REASONS[(error as NodeJS.ErrnoException).code ?? ""] ?? "other error";
    throw failure("unreadable", { option, file: JSON.stringify(given).slice(1, -1), reason });
  }
}

/** Why a file cannot be read, in the core's words. */
const REASONS: Record<string, string | undefined> = {
  ENOENT: "entity not found",
  EACCES: "permission denied",
  EISDIR: "is a directory",
  ENOTDIR: "not a directory",
};

/** What a text looks like that should be a path, if it could be a secret. */
function looksLike(text: string): string | undefined {
  if (text.includes("-----")) return "PEM";
  if (/[\r\n]/.test(text)) return "a text of several lines";
  if (/[0-9a-f]{32}/i.test(text)) return "a key in hexadecimal";
  return /^[^/]*:\s*[0-9a-f]+\s*$|:\s*[0-9a-f]{8,}\s*$/i.test(text) ? "a pre-shared key" : undefined;
}

/** The certificate and its key, unencrypted: Node is given no password, and the errors are ours. */
function clientCertOf(cert: Pem, key: Pem, passphrase: string | undefined): { cert: Buffer; key: Buffer } {
  const [certificates, file] = [pemOf("cert", cert), pemOf("key", key)];
  let privateKey: KeyObject;
  let certificate: X509Certificate;
  try {
    if (certificates.includes("PRIVATE KEY-----") && file.includes("BEGIN CERTIFICATE")) throw failure("swapped");
    certificate = x509("cert", certificates);
    privateKey = privateKeyOf(file, passphrase);
  } finally {
    file.fill(0);
  }
  if (!certificate.checkPrivateKey(privateKey)) throw failure("certOfOtherKey");
  return { cert: certificates, key: Buffer.from(privateKey.export({ type: "pkcs8", format: "pem" })) };
}

function privateKeyOf(pem: Buffer, passphrase: string | undefined): KeyObject {
  try {
    return createPrivateKey({ key: pem, ...(passphrase === undefined ? {} : { passphrase }) });
  } catch {
    if (!pem.includes("ENCRYPTED")) throw failure("noKey");
    throw failure(passphrase === undefined ? "passwordMissing" : "passwordWrong");
  }
}

/** The first certificate of a PEM text. */
function x509(option: "ca" | "cert", pem: Buffer): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw failure(option === "ca" ? "caNotX509" : "certNotX509");
  }
}

function casOf(ca: Pem | readonly Pem[]): (string | Buffer)[] {
  const all = Array.isArray(ca) ? ca : [ca];
  if (all.length === 0) throw failure("noCertificate", { option: "ca" });
  return all.flatMap((one) => (one === "system" ? systemStore() : [certificatesOf(one)]));
}

function certificatesOf(pem: Pem): Buffer {
  const certificates = pemOf("ca", pem);
  x509("ca", certificates);
  return certificates;
}

/** Where Linux and BSD systems keep their store. Node has a function of its own since 22.15. */
const STORES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

function systemStore(): (string | Buffer)[] {
  const { getCACertificates } = tls as { getCACertificates?: (type: "system") => string[] };
  if (getCACertificates) return getCACertificates("system");
  for (const file of [process.env.SSL_CERT_FILE || [], ...STORES].flat()) {
    try {
      return [readFileSync(file)];
    } catch {
      // the next one
    }
  }
  throw failure("noSystemStore");
}

const PSK_FORMS = ["hex", "text", "base64", "raw"] as const;

/** The identity (1 to 128 bytes of UTF-8) and the key (1 to 256 bytes). */
function pskOf(psk: Psk): { identity: string; key: Buffer } {
  if (typeof psk === "string") return pskOfFile(psk, undefined);
  if (typeof psk !== "object" || psk === null) throw failure("pskType");
  if ("file" in psk) {
    checkNames(psk, ["file", "identity"]);
    return pskOfFile(psk.file, psk.identity);
  }
  checkNames(psk, ["identity", ...PSK_FORMS]);
  const given = psk as Record<string, unknown>;
  const forms = PSK_FORMS.filter((form) => given[form] !== undefined);
  const [form] = forms;
  if (form === undefined || forms.length > 1) throw failure("pskForms");
  return pskOfParts(given.identity, keyOf(form, given[form]));
}

function pskOfParts(identity: unknown, key: Buffer): { identity: string; key: Buffer } {
  if (typeof identity !== "string" || !/^\P{Cc}+$/u.test(identity) || Buffer.byteLength(identity) > 128) {
    throw failure("pskIdentity");
  }
  if (key.length < 1 || key.length > 256) throw failure("pskLength");
  return { identity, key };
}

function keyOf(form: (typeof PSK_FORMS)[number], value: unknown): Buffer {
  if (form === "raw") {
    if (value instanceof Uint8Array) return Buffer.from(value);
    throw failure("pskKeyType", { type: "bytes" });
  }
  if (typeof value !== "string") throw failure("pskKeyType", { type: "a string" });
  if (form === "text") return Buffer.from(value);
  if (form === "hex") {
    if (/^([0-9a-f]{2})+$/i.test(value)) return Buffer.from(value, "hex");
    throw failure("pskHex");
  }
  if (/^([A-Za-z0-9+/]{4})+$|^([A-Za-z0-9+/]{4})*[A-Za-z0-9+/]{2}([A-Za-z0-9+/]=|==)$/.test(value)) {
    return Buffer.from(value, "base64");
  }
  throw failure("pskBase64");
}

/** A file with lines `identity:hex`, or one line of digits. */
function pskOfFile(path: unknown, wanted: string | undefined): { identity: string; key: Buffer } {
  if (typeof path !== "string") throw failure("pskFileType");
  const content = contentOf("psk", path);
  // one character for each byte: comments may be in any encoding
  const text = content.toString("latin1").replace(/^\xef\xbb\xbf/, "");
  content.fill(0);
  if (/^(\xff\xfe|\xfe\xff)/.test(text)) throw failure("pskUtf16");
  const bytesOf = (identity: string): string => Buffer.from(identity).toString("latin1");
  const lines = text.split("\n").map(pskLine);
  const fitting = lines.filter(
    (line) =>
      line !== undefined && (wanted === undefined || line.identity === undefined || line.identity === bytesOf(wanted)),
  );
  const [only, more] = fitting;
  if (only === undefined) throw failure(wanted === undefined ? "pskFileEmpty" : "pskFileWithoutIt");
  if (more !== undefined) throw failure("pskFileSeveral");
  let { identity } = only;
  if (identity !== undefined) {
    const bytes = Buffer.from(identity, "latin1");
    if (!isUtf8(bytes)) throw failure("pskFileUtf8");
    identity = bytes.toString();
  }
  if (identity === undefined && wanted === undefined) throw failure("pskFileWithout");
  return pskOfParts(identity ?? wanted, keyOf("hex", only.digits));
}

/** A line of such a file, unless it is empty or a comment. A `#` before digits and a colon is an identity that psktool escaped. */
function pskLine(line: string): { identity: string | undefined; digits: string } | undefined {
  const trim = (text: string): string => text.replace(/^[ \t\r\f]+|[ \t\r\f]+$/g, "");
  const text = trim(line);
  if (text === "") return undefined;
  const colon = text.lastIndexOf(":");
  const digits = trim(text.slice(colon + 1));
  if (text.startsWith("#")) {
    const escaped = trim(text.slice(1, Math.max(colon, 1)));
    if (!/^([0-9a-f]{2})+$/i.test(escaped)) return undefined;
    return { identity: Buffer.from(escaped, "hex").toString("latin1"), digits };
  }
  return { identity: colon < 0 ? undefined : trim(text.slice(0, colon)), digits };
}
