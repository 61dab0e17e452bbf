/** Lines for the program's log. All of them are in this file, where it can be seen that none contains a secret. */
import { debuglog } from "node:util";
import type { SkipError } from "../index.js";
import type { ConnectionInfo } from "./connection.js";

/** Takes lines about connections: `console` does, and so do pino, winston and others. No line has a secret. */
export interface Logger {
  /** New connections. */
  debug(line: string): void;
  /** Weaker handshakes with pre-shared keys, and waits for a busy Key Provider. */
  info(line: string): void;
  /** What is weaker than Table 1 of the draft asks for, and Key Providers that cannot be reached while another one is tried. */
  warn(line: string): void;
}

/** `NODE_DEBUG=skip-client` shows the lines of clients without a logger. */
const usual = debuglog("skip-client");

export class Log {
  readonly #logger: Logger | undefined;
  #known: readonly string[] = [];

  constructor(logger: Logger | undefined) {
    const write = (line: string): void => usual("%s", line);
    this.#logger = logger ?? (usual.enabled ? { debug: write, info: write, warn: write } : undefined);
  }

  /** A new connection. A warning that the one before had too is not repeated. */
  connected({ url, address, tlsVersion, cipherSuite, warnings }: ConnectionInfo): void {
    this.#write("debug", () => `${url}: connected to ${address} with ${tlsVersion}, ${cipherSuite}`);
    for (const warning of warnings) {
      if (!this.#known.includes(warning)) this.#write("warn", () => `${url}: ${warning}`);
    }
    this.#known = warnings;
  }

  /** A handshake after which a weaker one follows. */
  handshakeFailed(url: string, attempt: string, { message }: Error): void {
    this.#write("info", () => `${url}: the handshake for ${attempt} failed: ${message}`);
  }

  /** A Key Provider that cannot be reached, and the one that is tried next. */
  tryingNext(url: string, { message }: SkipError, next: string): void {
    this.#write("warn", () => `${url}: ${message}; trying ${next}`);
  }

  /** A busy Key Provider that is asked again. */
  waiting(url: string, milliseconds: number): void {
    this.#write("info", () => `${url}: busy; asking again in ${milliseconds / 1000} s`);
  }

  #write(level: keyof Logger, line: () => string): void {
    if (this.#logger === undefined) return;
    try {
      this.#logger[level](line());
    } catch (error) {
      // the program's own error, which must not change what becomes of a key
      process.nextTick(() => {
        throw error;
      });
    }
  }
}
