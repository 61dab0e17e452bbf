/**
 * The texts of all errors of the client, as data. They are those of the core, which cannot be used here because it has no
 * sockets in WebAssembly; a test compares them with docs/messages.md, and lists those that Node alone has.
 */
import type { Advice, ErrorCode } from "../index.js";

/** `{name}` in a message or hint is replaced by a value. */
export type Text = readonly [code: ErrorCode, message: string, hint: string, advice: Advice];

const wrong = (message: string, hint: string): Text => ["invalid_argument", message, hint, "no"];
const unreachable = (message: string, hint: string): Text => ["connect_failed", message, hint, "same_request"];
const tls = (message: string, hint: string): Text => ["tls_failed", message, hint, "no"];

const URL = "for example https://kp-alice:8443";
const PROXY = "for example http://proxy:3128";
const HOST = "must name a host (IPv6 in brackets, other scripts in their xn-- form) and a port from 1 to 65535";
const PEM = "PEM is text with a line -----BEGIN ...-----";
const PSK = 'for example psk: { identity: "router", hex: "00ff..." }, or the path of a file';
const PSK_FILE = "the file should have a line identity:hex for each identity, or one line with the key in hexadecimal";
const PSK_FORM = "say which form the key has: hexadecimal, text or base64";
const NEW_KEY = "the key of this request may be used up: ask for a new key";
const AGAIN = "nothing is used up: ask again";
const MORE_TIME = "check address, port and firewalls, or allow more time";
const CHECK_PROXY = "check the proxy's host and port (proxy), and that it runs";
const NO_KEY_PROVIDER = "this may not be a SKIP Key Provider: check the URL and any proxy on the way";
const SWITCH_OFF = "if its capabilities are wrong: checkRemote: false";
const CANCELLED = "the call was cancelled before its reply came";
const LOST = "the connection was lost before the whole reply came";
const CLOSED = "the Key Provider closed the connection during the TLS handshake";

export const TEXTS = {
  optionsType: wrong("options: must be an object", "give {names}"),
  unknownOption: wrong("{option}: is not an option of a client", "use one of {names}"),
  unknownMember: wrong("{option}: is not an option here", "use one of {names}"),
  flag: wrong("{option}: must be true or false", "use one of true, false"),
  time: wrong("{option}: must be {least} to {most} milliseconds", "give milliseconds, for example 10_000"),
  signal: wrong("signal: must be an AbortSignal", "for example AbortSignal.timeout(5000)"),
  logger: wrong("logger: must have the methods debug, info and warn", "for example console"),
  clientClosed: wrong("client: is closed", "make a new client"),

  urlType: wrong("url: must be a string", URL),
  urlMissing: wrong("url: must name at least one Key Provider", URL),
  urlScheme: wrong("url: must begin with https://, because SKIP runs over TLS only", URL),
  urlQuery: wrong("url: must have no query and no fragment", URL),
  urlUser: wrong("url: must have no user name or password: give a certificate or a pre-shared key instead", URL),
  urlPath: wrong("url: must have a path of printable ASCII; percent-encode the rest", URL),
  urlMethod: wrong("url: must be the base URL: /capabilities is appended by the client", URL),
  urlHost: wrong(`url: ${HOST}`, URL),
  urlNumber: wrong(
    "url: must have an IPv4 address as four decimal numbers, like 127.0.0.1: no other form is read as an address",
    URL,
  ),
  proxyScheme: wrong("proxy: must begin with http://", PROXY),
  proxyPath: wrong("proxy: must have no path, query or fragment", PROXY),
  proxyHost: wrong(`proxy: ${HOST}`, PROXY),
  serverName: wrong("serverName: must be a DNS name or an IP address", "give a name that the certificate has"),
  sourceAddress: wrong("sourceAddress: must be an IP address", "for example 192.0.2.1 or 2001:db8::1"),
  sourceNotOurs: wrong(
    "sourceAddress: is no address of this machine",
    "give an address of the interface that leads to it",
  ),
  sourceFamily: wrong(
    "sourceAddress: is of another family than the addresses to connect to",
    "give an address of the interface that leads to it",
  ),
  tlsVersions: wrong("tls: must be auto, 1.2 or 1.3", 'use tls: "auto"'),
  legacy: wrong(
    "legacy: adds a cipher suite without forward secrecy, which another option refuses",
    "give one of the two",
  ),

  noTrust: wrong(
    "ca: nothing says which Key Provider to trust",
    "give the CA's certificate (ca), the Key Provider's public key (pin), or ca: \"system\" for the system's store",
  ),
  noSystemStore: wrong(
    "ca: the system has no certificate store that can be read",
    "give the CA's certificate instead, or use Node 22.15 or later",
  ),
  pin: wrong(
    "pin: must be sha256/ and the base64 of 32 bytes",
    "it is the SHA-256 of the certificate's public key (SubjectPublicKeyInfo in DER)",
  ),
  halfClientCert: wrong("{option}: is missing", "a client certificate and its private key go together: cert and key"),
  pemType: wrong("{option}: must be PEM as text or bytes, or the path of a file", PEM),
  noFile: wrong(
    "{option}: must name a file, and looks like {secret}",
    "give the path of a file, or PEM that begins with -----BEGIN",
  ),
  unreadable: wrong("{option}: cannot read {file}: {reason}", "check the path and its permissions"),
  pkcs12: wrong("{option}: is PKCS#12, not PEM", "convert it: openssl pkcs12 -in FILE {how}"),
  der: wrong("{option}: is DER, not PEM", "convert it: openssl {how}"),
  noCertificate: wrong("{option}: must hold at least one certificate in PEM form", PEM),
  caNotX509: wrong("ca: holds something that is not an X.509 certificate", PEM),
  certNotX509: wrong("cert: must begin with an X.509 certificate", PEM),
  noKey: wrong("key: must hold one private key in PEM form", PEM),
  certOfOtherKey: wrong(
    "cert: does not belong to the private key",
    "give the private key of the first certificate in the file",
  ),
  swapped: wrong(
    "cert: holds a private key and no certificate: it seems to be swapped with the private key",
    "a client certificate and its private key go together: cert and key",
  ),
  passwordType: wrong("keyPassword: must be a string", "give the password that the private key was encrypted with"),
  passwordMissing: wrong(
    "keyPassword: is missing: the private key is encrypted",
    "give the password that it was encrypted with",
  ),
  passwordWrong: wrong(
    "keyPassword: does not open the private key",
    "check the password: letter case, and spaces or line feeds around it",
  ),

  pskWith: wrong(
    "{option}: does not go with a pre-shared key, which proves both sides by itself",
    "give either certificates or a pre-shared key",
  ),
  pskNotInNode: wrong(
    "psk: is not possible in Bun and Deno, whose TLS has no pre-shared keys",
    "run the program in Node, use the package of another language, or certificates",
  ),
  pskVersion: wrong(
    "tls: must not be 1.3 with a pre-shared key: Node has pre-shared keys in TLS 1.2 only",
    "use tls 1.2 here, or the package of another language, which have pre-shared keys in TLS 1.3 too",
  ),
  pskType: wrong("psk: must be an object or a path", PSK),
  pskForms: wrong("psk: must have its key as hex, text, base64 or raw", PSK),
  pskIdentity: wrong(
    "psk: the identity must have 1 to 128 bytes of UTF-8, without line feeds or other control characters",
    "give the identity exactly as the Key Provider knows it",
  ),
  pskLength: wrong("psk: the key must have 1 to 256 bytes", "32 random bytes are a good key"),
  pskKeyType: wrong("psk: the key must be {type}", PSK),
  pskHex: wrong("psk: the key must be hexadecimal, of even length", PSK_FORM),
  pskBase64: wrong("psk: the key must be base64 with padding", PSK_FORM),
  pskFileType: wrong("psk: the path of the file must be a string", PSK),
  pskUtf16: wrong("psk: is UTF-16, as some editors on Windows write it", "save it as UTF-8"),
  pskFileEmpty: wrong("psk: the file is empty", PSK_FILE),
  pskFileWithoutIt: wrong("psk: the file has no key of that identity", PSK_FILE),
  pskFileWithout: wrong("psk: the file has a key without an identity", "give the identity of your key as well"),
  pskFileSeveral: wrong("psk: the file has several keys", "give the identity of your key as well"),
  pskFileUtf8: wrong("psk: the file has an identity that is not UTF-8", PSK_FILE),

  unknownRemote: [
    "unknown_remote",
    "no entry of the Key Provider's remoteSystemID list matches the remote {remote}; the list {list}",
    "compare with the list in the capabilities; ids are case-sensitive; if the list is wrong: checkRemote: false",
    "no",
  ],
  notSupported: [
    "not_supported",
    "the Key Provider's capabilities say that it does not offer {what}",
    `ask another Key Provider; ${SWITCH_OFF}`,
    "no",
  ],

  cancelled: ["connection_lost", CANCELLED, NEW_KEY, "new_key"],
  cancelledUnsent: ["connection_lost", CANCELLED, AGAIN, "same_request"],
  lost: ["connection_lost", LOST, NEW_KEY, "new_key"],
  lostNothing: ["connection_lost", LOST, AGAIN, "same_request"],
  replyLate: ["timed_out", "the reply did not come in time", NEW_KEY, "new_key"],
  replyLateNothing: ["timed_out", "the reply did not come in time", MORE_TIME, "same_request"],
  connectionLate: ["timed_out", "a connection did not come in time", MORE_TIME, "same_request"],
  handshakeLate: [
    "timed_out",
    "the TLS handshake did not come in time",
    "allow more time; a firewall on the path may drop a large ClientHello: postQuantum: false",
    "same_request",
  ],
  smallHandshakeLate: ["timed_out", "the TLS handshake did not come in time", MORE_TIME, "same_request"],
  headersTooLarge: [
    "response_too_large",
    "the reply has more than 16 KiB or 128 lines of headers",
    NO_KEY_PROVIDER,
    "no",
  ],
  bodyTooLarge: ["response_too_large", "the reply has a body of more than 64 KiB", NO_KEY_PROVIDER, "no"],
  notHttp: ["malformed_response", "the reply is not HTTP that can be read: {reason}", NO_KEY_PROVIDER, "no"],

  nameNotFound: unreachable(
    "the name {name} has no address",
    "check the spelling and the name server, or give the address and serverName",
  ),
  refused: unreachable(
    "cannot connect to {to}: nothing listens there",
    "check the port, and that the Key Provider runs",
  ),
  noRoute: unreachable("cannot connect to {to}: there is no route to it", "check the address and the routes"),
  forbidden: unreachable("cannot connect to {to}: the system forbids it", "check firewall and sandbox rules"),
  noPortFree: unreachable(
    "cannot connect to {to}: no local port or address is free",
    "make fewer connections at a time, or wait a little",
  ),
  notConnected: unreachable(
    "cannot connect to {to}: the connection did not come up",
    "check the address, the port and the network",
  ),
  proxyUnreachable: unreachable("the proxy cannot be reached: {what}", CHECK_PROXY),
  proxyLate: ["timed_out", "the proxy cannot be reached: {what}", CHECK_PROXY, "same_request"],
  proxyAnswerLate: ["timed_out", "the proxy's answer did not come in time", MORE_TIME, "same_request"],
  noTunnel: unreachable(
    "the proxy {proxy} did not open a tunnel",
    "check that it is an HTTP proxy that understands CONNECT",
  ),
  proxyPassword: unreachable(
    "the proxy {proxy} wants a user name and password (its status is 407)",
    "put them into the proxy's URL",
  ),
  proxyOtherPassword: unreachable(
    "the proxy {proxy} does not accept the user name and password (its status is 407)",
    "check them in the proxy's URL; special characters are percent-encoded there",
  ),
  proxyFailed: unreachable(
    "the proxy {proxy} cannot reach the Key Provider (its status is {status})",
    "check the Key Provider's host and port, and what the proxy can reach",
  ),
  proxyRefused: unreachable(
    "the proxy {proxy} refused the tunnel (its status is {status})",
    "check what the proxy allows",
  ),

  unknownIssuer: tls(
    "the Key Provider's certificate does not come from a CA that was given",
    "give the certificate of the CA that issued it (ca), or pin its public key (pin)",
  ),
  selfSigned: tls("the Key Provider's certificate is self-signed", "pin its public key (pin, without ca)"),
  expired: tls(
    "the Key Provider's certificate, or one of the CAs in its chain, has expired",
    "have it renewed; check the clock of this machine",
  ),
  notYetValid: tls(
    "the Key Provider's certificate, or one of the CAs in its chain, is not valid yet",
    "check the clocks of both machines",
  ),
  notForServers: tls(
    "the Key Provider's certificate is not for servers: its extended key usage lacks serverAuth",
    "have a server certificate issued (extendedKeyUsage = serverAuth), or pin its public key (pin, without ca)",
  ),
  badCertificate: tls(
    "the Key Provider's certificate cannot be accepted: {reason}",
    "check it with openssl x509 -text",
  ),
  noName: tls(
    "the Key Provider's certificate does not name the host",
    "a common name does not count: have it issued with a subjectAltName, or pin its public key (pin, without ca)",
  ),
  otherName: tls(
    "the Key Provider's certificate is for another name: {names}",
    "check the URL; if this is the right Key Provider, give one of these names (serverName) or pin its public key (pin)",
  ),
  addressAsName: tls(
    "the Key Provider's certificate has {address} as a DNS name, where an address does not count",
    "have it issued with the address as an IP address of the subjectAltName (IP:, not DNS:), or pin its public key " +
      "(pin, without ca)",
  ),
  otherKey: tls(
    "the Key Provider has another public key than the pinned one",
    "check the pin (pin); if nobody changed the Key Provider's key, somebody else answers",
  ),
  certWanted: tls("the Key Provider wants a client certificate", "give one with its private key (cert and key)"),
  certRefused: tls(
    "the Key Provider refused the client certificate ({alert})",
    "give a certificate (cert and key) that is valid, for clients, and of a CA that the Key Provider trusts",
  ),
  versions: tls(
    "the Key Provider does not offer the version of TLS asked for, which was 1.3 or 1.2",
    "update the Key Provider: SKIP needs TLS 1.2 at least",
  ),
  version: tls(
    "the Key Provider does not offer the version of TLS asked for, which was {version} alone",
    'use tls: "auto"',
  ),
  noSuite: tls(
    "the Key Provider and this client share no cipher suite",
    "certificates need TLS_AES_256_GCM_SHA384 or ECDHE with AES-256-GCM-SHA384; a Key Provider with pre-shared keys only " +
      "answers like this too",
  ),
  unknownName: tls("the Key Provider does not know the name it was called by", "check the URL, or give serverName"),
  alert: tls("the Key Provider ended the TLS handshake: {alert}", "look into the Key Provider's log"),
  notTls: tls("the server does not speak TLS on this port", "check the port: it may be plain HTTP or another service"),
  broken: tls(
    "the TLS connection broke a rule of the protocol",
    "check for devices between here and the Key Provider that change traffic",
  ),
  closed: [
    "tls_failed",
    CLOSED,
    "it may want a client certificate or a pre-shared key, or the port may not be TLS: look into its log",
    "same_request",
  ],
  pskUnknownIdentity: tls(
    "the Key Provider does not know this PSK identity",
    "check the identity for spelling and case, and that the Key Provider has it",
  ),
  pskOtherKey: tls(
    "the Key Provider has another key for this PSK identity",
    "compare the keys; the same characters are another key as text than as hexadecimal",
  ),
  pskNoSuite: tls(
    "the Key Provider and this client share no cipher suite for pre-shared keys",
    "Node has pre-shared keys in TLS 1.2 only: it needs PSK or DHE-PSK with AES-256 there, and DHE-PSK with forwardSecrecy",
  ),
  pskNoVersion: tls(
    "the Key Provider does not offer TLS 1.2, the only version with pre-shared keys in Node",
    "use the package of another language, which have pre-shared keys in TLS 1.3 too",
  ),
  pskCertificate: tls(
    "the Key Provider answered with a certificate instead of the pre-shared key",
    "it does not know the identity, or this port wants certificates: check the identity and the port, or give its CA (ca)",
  ),
  pskClosed: [
    "tls_failed",
    CLOSED,
    "some do that for a wrong identity or key: check both, and look into its log",
    "same_request",
  ],
  weakDh: tls(
    "the Key Provider's Diffie-Hellman group is too small to be safe",
    "have it use a group of at least 2048 bits, or TLS 1.3",
  ),
} satisfies Record<string, Text>;
