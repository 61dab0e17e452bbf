/**
 * A client of Key Providers (SKIP, draft-cisco-skip-02) over Node's own TLS.
 *
 * @packageDocumentation
 */
export { type CallOptions, Client } from "./client/client.js";
export type { ConnectionInfo } from "./client/connection.js";
export type { Logger } from "./client/log.js";
export type { ClientOptions, Pem, Psk } from "./client/options.js";
export type { Capabilities, Entropy, Key } from "./index.js";
export { SkipError } from "./index.js";
