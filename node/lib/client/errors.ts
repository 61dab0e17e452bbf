/** The errors of connections. Their texts are those of the core, with Node's names of options. */
import { type Advice, SkipError } from "../index.js";
import type { HttpProxy } from "./options.js";

export function wrong(field: string, rule: string, hint: string): SkipError {
  return new SkipError({ code: "invalid_argument", message: `${field}: ${rule}`, hint, advice: "no" });
}

export function clientClosed(): SkipError {
  return wrong("client", "is closed", "make a new client");
}

function lostHint(advice: Advice): string {
  return advice === "new_key"
    ? "the key of this request may be used up: ask for a new key"
    : "nothing is used up: ask again";
}

export function cancelled(advice: Advice): SkipError {
  const message = "the call was cancelled before its reply came";
  return new SkipError({ code: "connection_lost", message, hint: lostHint(advice), advice });
}

export function connectionLost(advice: Advice): SkipError {
  const message = "the connection was lost before the whole reply came";
  return new SkipError({ code: "connection_lost", message, hint: lostHint(advice), advice });
}

export function timedOut(what: string, advice: Advice): SkipError {
  const more = "check address, port and firewalls, or allow more milliseconds (timeout, connectTimeout)";
  const hint = advice === "new_key" ? lostHint(advice) : more;
  return new SkipError({ code: "timed_out", message: `${what} did not come in time`, hint, advice });
}

export function tooLarge(what: string): SkipError {
  const hint = "this may not be a SKIP Key Provider: check the URL and any proxy on the way";
  return new SkipError({ code: "response_too_large", message: `the reply has ${what}`, hint, advice: "no" });
}

export function notHttp(): SkipError {
  const hint = "this may not be a SKIP Key Provider: check the URL and any proxy on the way";
  return new SkipError({ code: "malformed_response", message: "the reply is not valid HTTP", hint, advice: "no" });
}

/** A failed connection attempt, by the code of Node's error. */
export function connectFailed(to: string, code: string | undefined): SkipError {
  if (code === "ENOTFOUND" || code === "EAI_AGAIN" || code === "EAI_NODATA") {
    const hint = "check the spelling and the name server, or give the address and serverName";
    return unreachable(`the name in ${to} has no address`, hint);
  }
  const [reason, hint] = CONNECT[code ?? ""] ?? [
    "the connection did not come up",
    "check the address, the port and the network",
  ];
  return unreachable(`cannot connect to ${to}: ${reason}`, hint);
}

function unreachable(message: string, hint: string): SkipError {
  return new SkipError({ code: "connect_failed", message, hint, advice: "same_request" });
}

const ROUTE = ["there is no route to it", "check the address and the routes"] as const;
const CONNECT: Record<string, readonly [string, string] | undefined> = {
  ECONNREFUSED: ["nothing listens there", "check the port, and that the Key Provider runs"],
  EHOSTUNREACH: ROUTE,
  ENETUNREACH: ROUTE,
  EACCES: ["the system forbids it", "check firewall and sandbox rules"],
  EPERM: ["the system forbids it", "check firewall and sandbox rules"],
  EADDRNOTAVAIL: ["the local address is not free or not ours", "check sourceAddress; make fewer connections at a time"],
};

/** The same error about the proxy instead of the Key Provider. */
export function atTheProxy({ code, message, advice }: SkipError): SkipError {
  const hint = "check the proxy's host and port (proxy), and that it runs";
  return new SkipError({ code, message: `the proxy cannot be reached: ${message}`, hint, advice });
}

/** A proxy that answered with a status other than 200, or without HTTP. */
export function proxyFailed(proxy: HttpProxy, status: number | undefined): SkipError {
  const name = `the proxy ${authorityOf(proxy)}`;
  if (status === undefined) {
    return unreachable(`${name} did not open a tunnel`, "check that it is an HTTP proxy that understands CONNECT");
  }
  const its = `(its status is ${status})`;
  if (status === 407) {
    return proxy.authorization === undefined
      ? unreachable(`${name} wants a user name and password ${its}`, "put them into the proxy's URL")
      : unreachable(
          `${name} does not accept the user name and password ${its}`,
          "check them in the proxy's URL; special characters are percent-encoded there",
        );
  }
  return status >= 500
    ? unreachable(
        `${name} cannot reach the Key Provider ${its}`,
        "check the Key Provider's host and port, and what the proxy can reach",
      )
    : unreachable(`${name} refused the tunnel ${its}`, "check what the proxy allows");
}

/** Host and port as in a URL. */
export function authorityOf({ host, port }: { host: string; port: number }): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

export function tls(message: string, hint: string): SkipError {
  return new SkipError({ code: "tls_failed", message, hint, advice: "no" });
}

const ISSUER = [
  "the Key Provider's certificate does not come from a CA that was given",
  "give the certificate of the CA that issued it (ca), or pin its public key (pin)",
] as const;
const CLIENT = [
  "the Key Provider does not accept the client certificate, or its absence",
  "give a certificate (cert and key) of a CA that the Key Provider trusts",
] as const;
const NO_SUITE = [
  "the Key Provider and this client share no cipher suite",
  "certificates need AES-256-GCM with SHA-384; pre-shared keys need PSK suites of TLS 1.2, the only ones that Node has",
] as const;
const WRONG_PSK = [
  "the Key Provider has another key for this PSK identity",
  "compare the keys; the same characters are another key as text than as hexadecimal",
] as const;
const VERSION = [
  "the Key Provider does not offer the version of TLS asked for",
  'SKIP uses 1.2 or 1.3: leave tls at "auto", or update the Key Provider',
] as const;

/** By the code of Node's error, or the end of OpenSSL's reason for an alert. */
const TLS: Record<string, readonly [string, string] | undefined> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: ISSUER,
  SELF_SIGNED_CERT_IN_CHAIN: ISSUER,
  UNABLE_TO_GET_ISSUER_CERT: ISSUER,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: ISSUER,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: ISSUER,
  CERT_HAS_EXPIRED: ["the Key Provider's certificate has expired", "have it renewed; check the clock of this machine"],
  CERT_NOT_YET_VALID: ["the Key Provider's certificate is not valid yet", "check the clocks of both machines"],
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: [
    "the Key Provider wants a client certificate",
    "give one with its private key (cert and key)",
  ],
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: CLIENT,
  ERR_SSL_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE: CLIENT,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED: CLIENT,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: CLIENT,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN: CLIENT,
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: CLIENT,
  ERR_SSL_TLSV1_ALERT_ACCESS_DENIED: CLIENT,
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: NO_SUITE,
  ERR_SSL_TLSV1_ALERT_INSUFFICIENT_SECURITY: NO_SUITE,
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: VERSION,
  ERR_SSL_UNSUPPORTED_PROTOCOL: VERSION,
  ERR_SSL_WRONG_VERSION_NUMBER: [
    "the server does not speak TLS on this port",
    "check the port: it may be plain HTTP or another service",
  ],
  ERR_SSL_TLSV1_UNRECOGNIZED_NAME: [
    "the Key Provider does not know the name it was called by",
    "check the URL, or give serverName",
  ],
  ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR: CLIENT,
  ERR_SSL_DH_KEY_TOO_SMALL: [
    "the Key Provider's Diffie-Hellman group is too small to be safe",
    "have it use a group of at least 2048 bits, or TLS 1.3",
  ],
};

const PSK: Record<string, readonly [string, string] | undefined> = {
  ERR_SSL_SSLV3_ALERT_BAD_RECORD_MAC: WRONG_PSK,
  ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR: WRONG_PSK,
  ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC: WRONG_PSK,
  ERR_SSL_TLSV1_ALERT_UNKNOWN_PSK_IDENTITY: [
    "the Key Provider does not know this PSK identity",
    "check the identity for spelling and case, and that the Key Provider has it",
  ],
};

/** A handshake that failed, or an alert after it. OpenSSL's own text is not shown: its code says which case it is. */
export function tlsFailed(code: string | undefined, withPsk: boolean): SkipError {
  const known = (withPsk ? PSK[code ?? ""] : undefined) ?? TLS[code ?? ""];
  if (known) return tls(...known);
  const alert = /_ALERT_(\w+)$/.exec(code ?? "")?.[1];
  if (alert) {
    const name = alert.toLowerCase();
    return tls(`the Key Provider ended the TLS handshake: ${name}`, "look into the Key Provider's log");
  }
  if (code === undefined || code === "ECONNRESET" || code === "EPIPE") {
    return tls(
      "the Key Provider closed the connection during the TLS handshake",
      withPsk
        ? "some do that for a wrong identity or key: check both, and look into its log"
        : "it may want a client certificate or a pre-shared key, or the port may not be TLS: look into its log",
    );
  }
  return tls(
    "the TLS handshake failed",
    "check the certificate with openssl x509 -text, and devices on the way that change traffic",
  );
}

/** Whether a connection error comes from TLS, rather than from a broken connection. */
export function isRefusal(code: string | undefined): boolean {
  return code !== undefined && (TLS[code] !== undefined || /_ALERT_/.test(code));
}
