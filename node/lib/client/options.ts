/** The options of a client, checked once. */
import { isUtf8 } from "node:buffer";
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import tls from "node:tls";
import { wrong } from "./errors.js";
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
  if (typeof given !== "object" || given === null) {
    throw wrong("options", "must be an object", `give ${names.join(", ")}`);
  }
  for (const name of Object.keys(given)) {
    // a name could be anything, also a secret in the wrong place
    const shown = /^\w{1,30}$/.test(name) && !/^[0-9a-f]{16,}$/i.test(name) ? name : "options";
    if (!names.includes(name)) throw wrong(shown, "is not an option here", `give ${names.join(", ")}`);
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
  const example = "for example https://kp-alice:8443";
  if (typeof url !== "string") throw wrong("url", "must be a string", example);
  if (!/^https:\/\//i.test(url)) {
    throw wrong("url", "must begin with https://, because SKIP runs over TLS only", example);
  }
  if (/[?#]/.test(url)) throw wrong("url", "must have no query and no fragment", example);
  if (/^https:\/\/[^/]*@/i.test(url)) {
    const rule = "must have no user name or password: give a certificate or a pre-shared key instead";
    throw wrong("url", rule, example);
  }
  // no spaces, line feeds or backslashes, which URL would repair silently
  const parsed = /^[\x21-\x5b\x5d-\x7e]+$/.test(url) ? parse(url) : undefined;
  if (!parsed?.hostname) {
    throw wrong("url", "must name a host, in ASCII (IPv6 in brackets, other scripts in their xn-- form)", example);
  }
  const path = (/^https:\/\/[^/]*(.*)$/i.exec(url)?.[1] ?? "").replace(/\/+$/, "");
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
  const hint = "for example http://proxy:3128; it must understand CONNECT";
  const parsed = typeof url === "string" && /^http:\/\//i.test(url) ? parse(url) : undefined;
  if (!parsed?.hostname) throw wrong("proxy", "must begin with http:// and name a host", hint);
  if (parsed.pathname !== "/" || parsed.search || parsed.hash) {
    throw wrong("proxy", "must have no path, query or fragment", hint);
  }
  const user = `${decodeURIComponent(parsed.username)}:${decodeURIComponent(parsed.password)}`;
  return {
    host: parsed.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: Number(parsed.port || 80),
    authorization: parsed.username ? `Basic ${Buffer.from(user).toString("base64")}` : undefined,
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
    for (const other of ["ca", "cert", "key", "keyPassword", "pin", "serverName"] as const) {
      if (options[other] !== undefined) {
        const rule = "does not go with a pre-shared key, which proves both sides by itself";
        throw wrong(other, rule, "give either certificates or a pre-shared key");
      }
    }
    if ("bun" in process.versions || "deno" in process.versions) {
      const hint = "run the program in Node, use the package of another language, or certificates";
      throw wrong("psk", "is not possible in Bun and Deno, whose TLS has no pre-shared keys", hint);
    }
    if (versions === "1.3") {
      const hint = "use tls 1.2 here, or the package of another language, which have pre-shared keys in TLS 1.3 too";
      throw wrong("tls", "must not be 1.3 with a pre-shared key: Node has pre-shared keys in TLS 1.2 only", hint);
    }
  } else if (ca === undefined && pin === undefined) {
    const hint = "give the CA's certificate (ca), the Key Provider's public key (pin), or ca: \"system\"";
    throw wrong("ca", "nothing says which Key Provider to trust", hint);
  }
  if ((cert === undefined) !== (key === undefined)) {
    const [missing, given] = cert === undefined ? ["cert", "key"] : ["key", "cert"];
    throw wrong(missing, `must be given with ${given}`, "a client certificate and its private key belong together");
  }
  if (keyPassword !== undefined && typeof keyPassword !== "string") {
    throw wrong("keyPassword", "must be a string", "it is the password of the private key");
  }
  if (serverName !== undefined && !(typeof serverName === "string" && /^[\w.:-]{1,253}$/.test(serverName))) {
    throw wrong("serverName", "must be a DNS name or an IP address", "give one that the certificate has");
  }
  if (sourceAddress !== undefined && !(typeof sourceAddress === "string" && isIP(sourceAddress))) {
    throw wrong("sourceAddress", "must be an IP address", "give an address of this machine");
  }
  if (options.legacy && (options.forwardSecrecy || psk !== undefined)) {
    const rule = "does not go with forwardSecrecy or a pre-shared key";
    throw wrong("legacy", rule, "it adds a suite for certificates that has no forward secrecy");
  }
  if (!["auto", "1.2", "1.3"].includes(versions)) {
    throw wrong("tls", "must be auto, 1.2 or 1.3", "auto takes what the Key Provider offers");
  }
  const credentials =
    psk === undefined
      ? () => ({
          ca: ca === undefined ? undefined : casOf(ca),
          ...(cert !== undefined && key !== undefined ? clientCertOf(cert, key, keyPassword) : {}),
        })
      : () => ({ psk: pskOf(psk) });
  // a wrong file or key is told at once, not at the first call
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

export function time(field: string, value: unknown, otherwise: number): number {
  if (value === undefined) return otherwise;
  const least = field === "waitWhenBusy" ? 0 : 1;
  if (typeof value !== "number" || !(value >= least && value <= LONGEST)) {
    throw wrong(field, `must be ${least} to ${LONGEST} milliseconds`, "give milliseconds, for example 10_000");
  }
  return value;
}

function flag(field: string, value: unknown, otherwise: boolean): boolean {
  if (value === undefined) return otherwise;
  if (typeof value !== "boolean") throw wrong(field, "must be true or false", `${otherwise} is the default`);
  return value;
}

export function signalOf(signal: unknown): AbortSignal | undefined {
  if (signal === undefined) return undefined;
  const like = typeof signal === "object" && signal !== null && "aborted" in signal && "addEventListener" in signal;
  if (!like) throw wrong("signal", "must be an AbortSignal", "for example AbortSignal.timeout(5000)");
  return signal as AbortSignal;
}

function loggerOf(logger: unknown): Logger | undefined {
  if (logger === undefined) return undefined;
  const has = (name: string): boolean => typeof (logger as Record<string, unknown> | null)?.[name] === "function";
  if (["debug", "info", "warn"].every(has)) return logger as Logger;
  throw wrong("logger", "must have the methods debug, info and warn", "for example console");
}

function pinOf(pin: unknown): Buffer | undefined {
  if (pin === undefined) return undefined;
  const digest = typeof pin === "string" && pin.startsWith("sha256/") ? pin.slice("sha256/".length) : "";
  if (!/^[A-Za-z0-9+/]{43}=$/.test(digest)) {
    const hint = "it is the SHA-256 of the certificate's public key (SubjectPublicKeyInfo in DER)";
    throw wrong("pin", "must be sha256/ and the base64 of 32 bytes", hint);
  }
  return Buffer.from(digest, "base64");
}

const PEM_HINT = "PEM is text with a line -----BEGIN ...-----";

/** How openssl takes each part out of PKCS#12. */
const PKCS12: Record<string, string> = {
  ca: "-nokeys -cacerts -out ca.pem",
  cert: "-nokeys -out cert.pem",
  key: "-nocerts -noenc -out key.pem",
};

/** PKCS#12 is a SEQUENCE that begins with version 3 (RFC 7292, 4). */
function isPkcs12(content: Buffer): boolean {
  const long = content[1] !== undefined && content[1] > 0x80 ? content[1] & 0x0f : 0;
  return content[0] === 0x30 && content.subarray(2 + long, 5 + long).equals(Buffer.from([2, 1, 3]));
}

/** The content of PEM or of the file that it names. The value is never shown: it may be a secret in the wrong place. */
function pemOf(field: string, pem: unknown): Buffer {
  const content = contentOf(field, pem);
  if (isPkcs12(content))
    throw wrong(field, "is PKCS#12, not PEM", `convert it: openssl pkcs12 -in FILE ${PKCS12[field]}`);
  if (!content.includes("-----BEGIN ")) throw wrong(field, "must be PEM", PEM_HINT);
  return content;
}

function contentOf(field: string, given: unknown): Buffer {
  if (given instanceof Uint8Array) return Buffer.from(given);
  if (typeof given !== "string") throw wrong(field, "must be PEM as text or bytes, or the path of a file", PEM_HINT);
  if (given.trimStart().startsWith("-----BEGIN")) return Buffer.from(given);
  try {
    return readFileSync(given);
  } catch (error) {
    const looksSecret = /[\r\n]|-----|[0-9a-f]{32}|^[^/]*:[0-9a-f]+$/i.test(given);
    const reason = (error as NodeJS.ErrnoException).code === "ENOENT" ? "does not exist" : "cannot be read";
    const file = looksSecret ? "the file (its name looks like a secret and is not shown)" : given;
    throw wrong(field, `${file} ${reason}`, "give the path of a file, or PEM that begins with -----BEGIN");
  }
}

/** The certificate and its key, unencrypted: Node is given no password, and the errors are ours. */
function clientCertOf(cert: Pem, key: Pem, passphrase: string | undefined): { cert: Buffer; key: Buffer } {
  const [certificates, file] = [pemOf("cert", cert), pemOf("key", key)];
  const certificate = x509("cert", certificates);
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey({ key: file, ...(passphrase === undefined ? {} : { passphrase }) });
  } catch {
    if (file.includes("ENCRYPTED"))
      throw passphrase === undefined
        ? wrong(
            "keyPassword",
            "is missing: the private key is encrypted",
            "give the password that it was encrypted with",
          )
        : wrong(
            "keyPassword",
            "does not open the private key",
            "check the password: letter case, and spaces or line feeds",
          );
    throw wrong("key", "must hold one private key in PEM form", PEM_HINT);
  } finally {
    file.fill(0);
  }
  if (!certificate.checkPrivateKey(privateKey)) {
    const hint = "give the private key of the first certificate in the file";
    throw wrong("cert", "and key do not belong together", hint);
  }
  return { cert: certificates, key: Buffer.from(privateKey.export({ type: "pkcs8", format: "pem" })) };
}

/** The first certificate of a PEM text. */
function x509(field: string, pem: Buffer): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw wrong(field, "holds something that is not an X.509 certificate", PEM_HINT);
  }
}

function casOf(ca: Pem | readonly Pem[]): (string | Buffer)[] {
  const all = Array.isArray(ca) ? ca : [ca];
  if (all.length === 0) throw wrong("ca", "must not be empty", "give the CA's certificate");
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
  const hint = "give the CA's certificate instead, or use Node 22.15 or later";
  throw wrong("ca", "the system has no certificate store that can be read", hint);
}

const PSK_FORMS = ["hex", "text", "base64", "raw"] as const;

/** The identity (1 to 128 bytes of UTF-8) and the key (1 to 256 bytes). */
function pskOf(psk: Psk): { identity: string; key: Buffer } {
  if (typeof psk === "string") return pskOfFile(psk, undefined);
  const hint = 'for example psk: { identity: "router", hex: "00ff..." }, or the path of a file';
  if (typeof psk !== "object" || psk === null) throw wrong("psk", "must be an object or a path", hint);
  if ("file" in psk) {
    checkNames(psk, ["file", "identity"]);
    return pskOfFile(psk.file, psk.identity);
  }
  checkNames(psk, ["identity", ...PSK_FORMS]);
  const given = psk as Record<string, unknown>;
  const forms = PSK_FORMS.filter((form) => given[form] !== undefined);
  const [form] = forms;
  if (form === undefined || forms.length > 1) throw wrong("psk", "must have its key as hex, text, base64 or raw", hint);
  return pskOfParts(given.identity, keyOf(form, given[form]));
}

function pskOfParts(identity: unknown, key: Buffer): { identity: string; key: Buffer } {
  if (typeof identity !== "string" || !/^\P{Cc}+$/u.test(identity) || Buffer.byteLength(identity) > 128) {
    const rule = "the identity must have 1 to 128 bytes of UTF-8, without line feeds or other control characters";
    throw wrong("psk", rule, "give the identity exactly as the Key Provider knows it");
  }
  if (key.length < 1 || key.length > 256) {
    throw wrong("psk", "the key must have 1 to 256 bytes", "32 random bytes are a good key");
  }
  return { identity, key };
}

function keyOf(form: (typeof PSK_FORMS)[number], value: unknown): Buffer {
  const hint = "give a key in another form as such";
  if (form === "raw") {
    if (value instanceof Uint8Array) return Buffer.from(value);
    throw wrong("psk", "the key must be bytes", hint);
  }
  if (typeof value !== "string") throw wrong("psk", "the key must be a string", hint);
  if (form === "text") return Buffer.from(value);
  if (form === "hex") {
    if (/^([0-9a-f]{2})+$/i.test(value)) return Buffer.from(value, "hex");
    throw wrong("psk", "the key must be hexadecimal, of even length", hint);
  }
  if (/^([A-Za-z0-9+/]{4})+$|^([A-Za-z0-9+/]{4})*[A-Za-z0-9+/]{2}([A-Za-z0-9+/]=|==)$/.test(value)) {
    return Buffer.from(value, "base64");
  }
  throw wrong("psk", "the key must be base64 with padding", hint);
}

/** A file with lines `identity:hex`, or one line of digits. */
function pskOfFile(path: unknown, wanted: string | undefined): { identity: string; key: Buffer } {
  const form = "it should have a line identity:hex for each identity, or one line with the key in hexadecimal";
  if (typeof path !== "string") throw wrong("psk", "the path of the file must be a string", form);
  const content = contentOf("psk", path);
  // one character for each byte: comments may be in any encoding
  const text = content.toString("latin1").replace(/^\xef\xbb\xbf/, "");
  content.fill(0);
  if (/^(\xff\xfe|\xfe\xff)/.test(text)) {
    throw wrong("psk", "is UTF-16, as some editors on Windows write it", "save it as UTF-8");
  }
  const bytesOf = (identity: string): string => Buffer.from(identity).toString("latin1");
  const lines = text.split("\n").map(pskLine);
  const fitting = lines.filter(
    (line) =>
      line !== undefined && (wanted === undefined || line.identity === undefined || line.identity === bytesOf(wanted)),
  );
  const [only, more] = fitting;
  if (only === undefined)
    throw wrong("psk", wanted === undefined ? "the file is empty" : "the file has no key of that identity", form);
  if (more !== undefined) throw wrong("psk", "the file has several keys", "say which identity is yours");
  let { identity } = only;
  if (identity !== undefined) {
    const bytes = Buffer.from(identity, "latin1");
    if (!isUtf8(bytes)) throw wrong("psk", "the file has an identity that is not UTF-8", form);
    identity = bytes.toString();
  }
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
