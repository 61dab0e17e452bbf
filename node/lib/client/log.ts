/** The log lines. All of them are in this file, which makes it easy to verify that none contains a secret. */
import { debuglog } from "node:util";
import type { SkipError } from "../index.js";
import type { ConnectionInfo } from "./connection.js";

/** Receives log lines about connections: `console`, or a logger of pino, winston and others. No line contains a secret. */
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

  /** A new connection. Warnings of the previous one are not repeated. */
  connected({ url, address, tlsVersion, cipherSuite, warnings }: ConnectionInfo): void {
    this.#write("debug", () => `${url}: connected to ${address} with ${tlsVersion}, ${cipherSuite}`);
    for (const warning of warnings) {
      if (!this.#known.includes(warning)) this.#write("warn", () => `${url}: ${warning}`);
    }
    this.#known = warnings;
  }

  /** A failed handshake that is followed by a weaker one. */
  handshakeFailed(url: string, attempt: string, { message }: Error): void {
    this.#write("info", () => `${url}: the handshake for ${attempt} failed: ${message}`);
  }

  /** An unreachable Key Provider, and the one that is tried next. */
  tryingNext(url: string, { message }: SkipError, next: string): void {
    this.#write("warn", () => `${url}: ${message}; trying ${next}`);
  }

  /** A retry at a busy Key Provider. */
  waiting(url: string, milliseconds: number): void {
    this.#write("info", () => `${url}: busy; asking again in ${milliseconds / 1000} s`);
  }

  #write(level: keyof Logger, line: () => string): void {
    if (this.#logger === undefined) return;
    try {
      this.#logger[level](line());
    } catch (error) {
      // an error of the program, which must not affect the call and its key
      process.nextTick(() => {
        throw error;
      });
    }
  }
}
