/** The errors of connections: which text fits which failure. */
import { type Advice, SkipError } from "../index.js";
import type { HttpProxy, Settings } from "./options.js";
import { TEXTS } from "./texts.js";

type Values = Readonly<Record<string, string | number>>;

/** The error with one of the texts, and the values for it. */
export function failure(name: keyof typeof TEXTS, values: Values = {}): SkipError {
  const [code, message, hint, advice] = TEXTS[name];
  const filled = (text: string): string => text.replace(/\{(\w+)\}/g, (place, name) => String(values[name] ?? place));
  return new SkipError({ code, message: filled(message), hint: filled(hint), advice });
}

export function cancelled(advice: Advice): SkipError {
  return failure(advice === "new_key" ? "cancelled" : "cancelledUnsent");
}

export function connectionLost(advice: Advice): SkipError {
  return failure(advice === "new_key" ? "lost" : "lostNothing");
}

export function replyLate(advice: Advice): SkipError {
  return failure(advice === "new_key" ? "replyLate" : "replyLateNothing");
}

export function handshakeLate({ psk, tls }: Tried, postQuantum: boolean): SkipError {
  // since 24, Node's OpenSSL offers a post-quantum key exchange in TLS 1.3, which makes the ClientHello large
  const isLarge = postQuantum && !psk && tls !== "1.2" && Number.parseInt(process.versions.node, 10) >= 24;
  return failure(isLarge ? "handshakeLate" : "smallHandshakeLate");
}

/** A reply that Node's parser refuses, by its code: `HPE_INVALID_CHUNK_SIZE`. */
export function notHttp(code: string): SkipError {
  return failure("notHttp", { reason: code.replace("HPE_", "").replaceAll("_", " ").toLowerCase() });
}

const CONNECT: Record<string, keyof typeof TEXTS | undefined> = {
  ECONNREFUSED: "refused",
  EHOSTUNREACH: "noRoute",
  ENETUNREACH: "noRoute",
  EACCES: "forbidden",
  EPERM: "forbidden",
  EADDRNOTAVAIL: "noPortFree",
};

/** A failed connection attempt. With several addresses, Node's error has the errors of each. */
export function connectFailed(
  place: { host: string; port: number },
  error: NodeJS.ErrnoException & { errors?: NodeJS.ErrnoException[] },
): SkipError {
  const { code = "", syscall } = error.errors?.[0] ?? error;
  if (syscall === "bind") return failure(code === "EADDRNOTAVAIL" ? "sourceNotOurs" : "sourceFamily");
  if (["ENOTFOUND", "EAI_AGAIN", "EAI_NODATA"].includes(code)) return failure("nameNotFound", { name: place.host });
  return failure(CONNECT[code] ?? "notConnected", { to: authorityOf(place) });
}

/** The same error about the proxy instead of the Key Provider. */
export function atTheProxy(error: SkipError): SkipError {
  if (error.code === "connect_failed") return failure("proxyUnreachable", { what: error.message });
  return error.code === "timed_out" ? failure("proxyLate", { what: error.message }) : error;
}

/** A proxy that answered with a status other than 200, or without HTTP. */
export function proxyFailed(place: HttpProxy, status: number | undefined): SkipError {
  const proxy = authorityOf(place);
  if (status === undefined) return failure("noTunnel", { proxy });
  if (status === 407) return failure(place.authorization ? "proxyOtherPassword" : "proxyPassword", { proxy });
  return failure(status >= 500 ? "proxyFailed" : "proxyRefused", { proxy, status });
}

/** Host and port as in a URL. */
export function authorityOf({ host, port }: { host: string; port: number }): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** By the code of Node's error: a certificate that OpenSSL refused, or the end of OpenSSL's reason. */
const TLS: Record<string, keyof typeof TEXTS | undefined> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: "selfSigned",
  SELF_SIGNED_CERT_IN_CHAIN: "unknownIssuer",
  UNABLE_TO_GET_ISSUER_CERT: "unknownIssuer",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "unknownIssuer",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "unknownIssuer",
  CERT_HAS_EXPIRED: "expired",
  CERT_NOT_YET_VALID: "notYetValid",
  INVALID_PURPOSE: "notForServers",
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: "noSuite",
  ERR_SSL_TLSV1_ALERT_INSUFFICIENT_SECURITY: "noSuite",
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: "version",
  ERR_SSL_UNSUPPORTED_PROTOCOL: "version",
  ERR_SSL_WRONG_VERSION_NUMBER: "notTls",
  ERR_SSL_TLSV1_UNRECOGNIZED_NAME: "unknownName",
  ERR_SSL_DH_KEY_TOO_SMALL: "weakDh",
};

const PSK: Record<string, keyof typeof TEXTS | undefined> = {
  ERR_SSL_SSLV3_ALERT_BAD_RECORD_MAC: "pskOtherKey",
  ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR: "pskOtherKey",
  ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC: "pskOtherKey",
  ERR_SSL_TLSV1_ALERT_UNKNOWN_PSK_IDENTITY: "pskUnknownIdentity",
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: "pskNoSuite",
  ERR_SSL_TLSV1_ALERT_INSUFFICIENT_SECURITY: "pskNoSuite",
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: "pskNoVersion",
  ERR_SSL_UNSUPPORTED_PROTOCOL: "pskNoVersion",
};

/** The alerts about a client's certificate; a wrong signature, only when there is one. */
const ABOUT_CERTIFICATES =
  /^((bad|unsupported)_certificate|certificate_(revoked|expired|unknown|required)|unknown_ca|access_denied)$/;

/** What a handshake was tried with. */
export interface Tried {
  psk: boolean;
  cert: boolean;
  tls: Settings["tls"];
}

/** A handshake that failed, or an alert after it. OpenSSL's own text is not shown: its code says which case it is. */
export function tlsFailed(code: string | undefined, { psk, cert, tls }: Tried): SkipError {
  if (code === undefined || code === "ECONNRESET" || code === "EPIPE") return failure(psk ? "pskClosed" : "closed");
  const alert = /_ALERT_(\w+)$/.exec(code)?.[1]?.toLowerCase();
  if (!psk && alert !== undefined && (ABOUT_CERTIFICATES.test(alert) || (cert && alert === "decrypt_error"))) {
    return cert ? failure("certRefused", { alert }) : failure("certWanted");
  }
  const known = (psk ? PSK[code] : undefined) ?? TLS[code];
  if (known === "version") return tls === "auto" ? failure("versions") : failure("version", { version: tls });
  if (known !== undefined) return failure(known);
  if (alert !== undefined) return failure("alert", { alert });
  // the codes of certificates have no such beginning
  if (code.startsWith("ERR_")) return failure("broken");
  return failure("badCertificate", { reason: code.replaceAll("_", " ").toLowerCase() });
}

/** Whether a connection error comes from TLS, rather than from a broken connection. */
export function isRefusal(code: string | undefined): boolean {
  return code !== undefined && (TLS[code] !== undefined || /_ALERT_/.test(code));
}
