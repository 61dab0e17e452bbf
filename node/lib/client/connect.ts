/** A TLS connection to one Key Provider, before any byte of a request. */
import { constants, createHash, timingSafeEqual } from "node:crypto";
import net from "node:net";
import tls from "node:tls";
import { SkipError } from "../index.js";
import type { ConnectionInfo } from "./connection.js";
import type { Control, Ended } from "./control.js";
import {
  atTheProxy,
  authorityOf,
  cancelled,
  connectFailed,
  failure,
  handshakeLate,
  proxyFailed,
  tlsFailed,
} from "./errors.js";
import type { HttpProxy, Place, Settings } from "./options.js";

export interface Connected {
  socket: tls.TLSSocket;
  info: ConnectionInfo;
  /** The error for the code of a TLS error. */
  explain: (code?: string) => SkipError;
}

// draft Table 1; the last one is for Key Providers with RSA certificates, which Table 1 omits
const CERTIFICATE_SUITES = "TLS_AES_256_GCM_SHA384:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";
// a hello for each, because a server that supports both might choose the one without forward secrecy
const PSK_SUITES = [
  "DHE-PSK-AES256-GCM-SHA384:DHE-PSK-AES256-CBC-SHA384:DHE-PSK-AES256-CBC-SHA",
  "PSK-AES256-GCM-SHA384",
];
/** The alerts of a server without a common suite. */
const NO_SUITE = ["ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE", "ERR_SSL_TLSV1_ALERT_INSUFFICIENT_SECURITY"];

const nothing = (): void => {};

/** Connects within the connect timeout, which all attempts share. Nothing was sent when it fails. */
export async function connect(place: Place, settings: Settings, control: Control): Promise<Connected> {
  const until = performance.now() + settings.connectTimeout;
  const credentials = settings.credentials();
  const certificateSuites = settings.legacy ? `${CERTIFICATE_SUITES}:AES256-SHA256` : CERTIFICATE_SUITES;
  const attempts = credentials.psk ? PSK_SUITES.slice(0, settings.forwardSecrecy ? 1 : 2) : [certificateSuites];
  try {
    for (;;) {
      const suites = attempts.shift() as string;
      try {
        return await attempt(suites);
      } catch (error) {
        const code = (error as { reason?: string }).reason;
        if (attempts.length === 0 || !NO_SUITE.includes(code ?? "")) throw error;
        settings.log.handshakeFailed(place.url, "TLS 1.2 with DHE-PSK", error as Error);
      }
    }
  } finally {
    (credentials.psk ? credentials.psk.key : credentials.key)?.fill(0);
  }

  async function attempt(suites: string): Promise<Connected> {
    const tunnel = settings.proxy ? await throughProxy(settings.proxy, place, settings, control, until) : undefined;
    let connected = tunnel !== undefined;
    const { psk } = credentials;
    const tried = { psk: psk !== undefined, cert: "cert" in credentials, tls: settings.tls };
    const explain = (code?: string): SkipError => tlsFailed(code, tried);
    const stopped = (why: Ended): SkipError => {
      if (why !== "deadline") return cancelled("same_request");
      return connected ? handshakeLate(tried, settings.postQuantum) : failure("connectionLate");
    };
    const socket = await control.step<tls.TLSSocket>(
      (done, failed) => {
        const socket = tls.connect({
          ...(tunnel ? { socket: tunnel } : { host: place.host, port: place.port }),
          ...(settings.sourceAddress === undefined ? {} : { localAddress: settings.sourceAddress }),
          ...(psk ? pskOptions(psk) : certificateOptions(place, settings, credentials)),
          ciphers: suites,
          secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_TICKET,
        });
        const fail = (error: unknown): void => {
          socket.destroy();
          failed(error);
        };
        socket.once("connect", () => {
          connected = true;
        });
        socket.once("secureConnect", () => {
          const problem = psk ? checkPsk(socket) : checkPin(socket, settings.pin);
          if (problem) fail(problem);
          else done(socket);
        });
        socket.on("error", (error: NodeJS.ErrnoException & { errors?: NodeJS.ErrnoException[] }) => {
          if (error instanceof SkipError) return fail(error);
          if (!connected) return fail(connectFailed(place, error));
          fail(Object.defineProperty(explain(error.code), "reason", { value: error.code }));
        });
        socket.once("close", () => fail(explain()));
        return () => socket.destroy();
      },
      stopped,
      until - performance.now(),
    );
    socket.removeAllListeners("error").removeAllListeners("close").on("error", nothing);
    return { socket, info: infoOf(socket, place, settings), explain };
  }
}

function pskOptions(psk: { identity: string; key: Buffer }): tls.ConnectionOptions {
  return {
    minVersion: "TLSv1.2",
    maxVersion: "TLSv1.2",
    pskCallback: () => ({ identity: psk.identity, psk: psk.key }),
    // the key authenticates both sides; these suites have no certificates
    checkServerIdentity: () => undefined,
    ca: [],
  };
}

function certificateOptions(
  place: Place,
  settings: Settings,
  { ca, cert, key }: { ca?: (string | Buffer)[] | undefined; cert?: Buffer; key?: Buffer },
): tls.ConnectionOptions {
  const name = settings.serverName ?? place.host;
  return {
    ca: ca ?? [],
    ...(cert && key ? { cert, key } : {}),
    minVersion: settings.tls === "1.3" ? "TLSv1.3" : "TLSv1.2",
    maxVersion: settings.tls === "1.2" ? "TLSv1.2" : "TLSv1.3",
    // SNI does not allow addresses
    servername: net.isIP(name) ? "" : name,
    // with a pin alone, checkPin verifies the key before anything is sent
    rejectUnauthorized: ca !== undefined,
    checkServerIdentity: (_, certificate) => wrongName(name, certificate),
    ...(settings.postQuantum ? {} : { ecdhCurve: "X25519:P-256:P-384" }),
  };
}

function wrongName(name: string, certificate: tls.PeerCertificate): Error | undefined {
  const names = certificate.subjectaltname;
  if (!names) return failure("noName");
  if (!tls.checkServerIdentity(name, certificate)) return undefined;
  const all = names.replace(/[^ -~]/g, "?").split(", ");
  if (net.isIP(name) && all.includes(`DNS:${name}`)) return failure("addressAsName", { address: name });
  const shown = all.slice(0, 5).map((one) => one.replace(/^(DNS|IP Address):/, ""));
  return failure("otherName", { names: shown.join(", ").slice(0, 500) });
}

/** Whether the certificate has the pinned public key. */
function checkPin(socket: tls.TLSSocket, pin: Buffer | undefined): SkipError | undefined {
  if (pin === undefined) return undefined;
  const spki = socket.getPeerX509Certificate()?.publicKey.export({ type: "spki", format: "der" });
  if (spki && timingSafeEqual(createHash("sha256").update(spki).digest(), pin)) return undefined;
  return failure("otherKey");
}

/** The suites allow nothing else; this verifies it. */
function checkPsk(socket: tls.TLSSocket): SkipError | undefined {
  if (/PSK/.test(socket.getCipher().name) && !socket.getPeerX509Certificate()) return undefined;
  return failure("pskCertificate");
}

function infoOf(socket: tls.TLSSocket, place: Place, settings: Settings): ConnectionInfo {
  const { standardName } = socket.getCipher();
  const warnings = [];
  if (standardName.startsWith("TLS_PSK_")) {
    const reason = "who learns the pre-shared key can read recorded traffic, keys included";
    warnings.push(`${standardName} has no forward secrecy: ${reason}`);
  }
  if (standardName.startsWith("TLS_RSA_")) {
    warnings.push(`${standardName} has no forward secrecy and is not safe today: update the Key Provider`);
  }
  if (standardName === "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384") {
    warnings.push("the cipher suite is not in Table 1 of the draft: the Key Provider has an RSA certificate");
  }
  const { remoteAddress: address, remotePort: port } = socket;
  const peer = settings.proxy ? settings.proxy : { host: address ?? place.host, port: port ?? place.port };
  return {
    url: place.url,
    address: authorityOf(peer),
    tlsVersion: socket.getProtocol()?.replace("TLSv", "TLS ") ?? "",
    cipherSuite: standardName,
    warnings,
  };
}

const PROXY_HEAD = 16 * 1024;

/** A tunnel through a proxy, opened with CONNECT. */
function throughProxy(
  proxy: HttpProxy,
  place: Place,
  settings: Settings,
  control: Control,
  until: number,
): Promise<net.Socket> {
  let connected = false;
  const stopped = (why: Ended): SkipError => {
    if (why !== "deadline") return cancelled("same_request");
    return connected ? failure("proxyAnswerLate") : atTheProxy(failure("connectionLate"));
  };
  return control.step<net.Socket>(
    (done, failed) => {
      const { sourceAddress } = settings;
      const socket = net.connect({
        host: proxy.host,
        port: proxy.port,
        ...(sourceAddress === undefined ? {} : { localAddress: sourceAddress }),
      });
      let head = Buffer.alloc(0);
      const fail = (error: SkipError): void => {
        socket.destroy();
        failed(error);
      };
      socket.once("connect", () => {
        connected = true;
        const host = authorityOf(place);
        const authorization = proxy.authorization ? `Proxy-Authorization: ${proxy.authorization}\r\n` : "";
        socket.write(`CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\n${authorization}\r\n`);
      });
      socket.on("data", (chunk: Buffer) => {
        head = Buffer.concat([head, chunk]);
        const end = head.indexOf("\r\n\r\n");
        if (end < 0 && head.length <= PROXY_HEAD) return;
        const status = /^HTTP\/1\.[01] (\d{3})[ \r]/.exec(head.toString("latin1"))?.[1];
        // the Key Provider cannot have sent bytes before our hello
        if (end !== head.length - 4 || status !== "200")
          return fail(proxyFailed(proxy, status ? Number(status) : undefined));
        socket.removeAllListeners().pause().on("error", nothing);
        done(socket);
      });
      socket.on("error", (error: NodeJS.ErrnoException) =>
        fail(connected ? proxyFailed(proxy, undefined) : atTheProxy(connectFailed(proxy, error))),
      );
      socket.on("close", () => fail(proxyFailed(proxy, undefined)));
      return () => socket.destroy();
    },
    stopped,
    until - performance.now(),
  );
}
