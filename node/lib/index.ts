/**
 * Validator and sans-I/O core of the Secure Key Integration Protocol (SKIP, draft-cisco-skip-02).
 *
 * @packageDocumentation
 */
export { type Advice, type ErrorCode, type ErrorParts, errorCodes, SkipError } from "./errors.js";
export {
  type Answer,
  buildRequest,
  type Capabilities,
  type Exact,
  parseResponse,
  type ReplyHeaders,
  type RequestOptions,
  type SkipRequest,
} from "./exchange.js";
export { type ExportFormat, exportFormats } from "./generated/codes.js";
export { ikev2, type PpkIdentity, type UsePpk } from "./ikev2.js";
export {
  type CapabilitiesMessage,
  type EntropyMessage,
  isCapabilitiesMessage,
  isEntropyMessage,
  isKeyMessage,
  type KeyMessage,
  type Messages,
} from "./messages.js";
export { type JsonSchema, type SchemaPair, schemas } from "./schemas.js";
export type { Entropy, Key } from "./secrets.js";
export { type StandardIssue, type StandardSchema, standard } from "./standard.js";
export {
  guessKind,
  type InvalidLine,
  isValid,
  type LinesVerdict,
  type MessageKind,
  matchesRemote,
  type Problem,
  type ValidateOptions,
  type Verdict,
  validate,
  validateCapabilities,
  validateEntropy,
  validateKey,
  validateLines,
} from "./validate.js";
