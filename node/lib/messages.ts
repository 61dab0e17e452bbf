import { SkipError } from "./errors.js";
import { bytesOf } from "./internal/input.js";
import { isValid, type MessageKind } from "./validate.js";

/** The reply to `GET /capabilities` (draft 4.1), as it is on the wire. */
export interface CapabilitiesMessage {
  /** Whether `GET /entropy` is offered. */
  entropy: boolean;
  /** Whether `GET /key` is offered. */
  key: boolean;
  /** How keys are generated and synchronised, in the Key Provider's words; up to 1024 bytes. */
  algorithm: string;
  /** The id of this Key Provider (draft 4.1.1): 1 to 255 bytes. */
  localSystemID: string;
  /** Ids, or patterns of ids, of the Key Providers that share keys with this one (draft 4.1.2); one or more. */
  remoteSystemID: string[];
}

/** The reply to `GET /key` and `GET /key/{keyId}` (draft 4.2), as it is on the wire. */
export interface KeyMessage {
  /** The keyId: hexadecimal, 128 bits by default. */
  keyId: string;
  /** The key: hexadecimal, 256 bits by default. */
  key: string;
}

/** The reply to `GET /entropy` (draft 4.3), as it is on the wire. */
export interface EntropyMessage {
  /** Random bytes: hexadecimal, 256 bits by default. */
  randomStr: string;
  /** Their entropy in bits. */
  minentropy: number;
}

/** The messages by their kind. */
export interface Messages {
  capabilities: CapabilitiesMessage;
  key: KeyMessage;
  entropy: EntropyMessage;
}

/** Whether a parsed value is valid capabilities (strict rules). */
export function isCapabilitiesMessage(value: unknown): value is CapabilitiesMessage {
  return isMessage("capabilities", value);
}

/** Whether a parsed value is a valid key message (strict rules). */
export function isKeyMessage(value: unknown): value is KeyMessage {
  return isMessage("key", value);
}

/** Whether a parsed value is a valid entropy message (strict rules). */
export function isEntropyMessage(value: unknown): value is EntropyMessage {
  return isMessage("entropy", value);
}

/** Text and bytes are not parsed values, although the validators accept them. */
function isMessage(kind: MessageKind, value: unknown): boolean {
  if (typeof value !== "object" || value === null || bytesOf(value) !== null) return false;
  try {
    return isValid(kind, value);
  } catch (error) {
    // a guard must accept any value, even one that is not a message
    if (error instanceof SkipError && error.code === "invalid_argument") return false;
    throw error;
  }
}
