import { attempt, invalidArgument } from "./errors.js";
import { string } from "./internal/input.js";
import { core } from "./internal/wasm.js";

/** What a `USE_PPK` says. */
export interface UsePpk {
  /** The localSystemID of the sender's Key Provider; `null` from peers that only know RFC 8784. */
  localSystemId: string | null;
}

/** What a `PPK_IDENTITY` says. */
export interface PpkIdentity {
  /** The identity as it is on the wire. */
  identity: Uint8Array;
  /** The keyId, when the identity is one as text. */
  keyId: string | null;
  /** The keyId in lower case, when the identity is the octets that its digits stand for. */
  keyIdOfOctets: string | null;
}

/**
 * The IKEv2 notify payloads that SKIP uses (draft 5; RFC 8784): whole payloads, from the next-payload byte on.
 * All throw
 * `SkipError` with `invalid_argument`.
 */
export const ikev2 = {
  /** `USE_PPK` (16435) with a localSystemID, or without one as RFC 8784 has it. */
  encodeUsePpk(
    options: { localSystemId?: string | null | undefined; nextPayload?: number | undefined } = {},
  ): Uint8Array {
    const { localSystemId: id } = options;
    return attempt(() => core.encode_use_ppk(id == null ? undefined : string("localSystemId", id), next(options)));
  },

  /** Reads one `USE_PPK`. */
  decodeUsePpk(payload: Uint8Array): UsePpk {
    return { localSystemId: attempt(() => core.decode_use_ppk(octets(payload))) ?? null };
  },

  /**
   * `PPK_IDENTITY` (16436): the keyId as text, which every known implementation takes, or with `octets: true` the
   * octets that
   * its digits stand for. `lenient: true` takes keyIds that are not hexadecimal.
   */
  encodePpkIdentity(options: {
    keyId: string;
    octets?: boolean | undefined;
    lenient?: boolean | undefined;
    nextPayload?: number | undefined;
  }): Uint8Array {
    const { keyId, octets = false, lenient = false } = options;
    return attempt(() => core.encode_ppk_identity(string("keyId", keyId), octets, lenient, next(options)));
  },

  /** Reads one `PPK_IDENTITY`. */
  decodePpkIdentity(payload: Uint8Array): PpkIdentity {
    const found = JSON.parse(attempt(() => core.decode_ppk_identity(octets(payload))));
    return {
      identity: Uint8Array.from(found.identity),
      keyId: found.keyId ?? null,
      keyIdOfOctets: found.keyIdOfOctets ?? null,
    };
  },
} as const;

function octets(payload: unknown): Uint8Array {
  if (payload instanceof Uint8Array) return payload;
  throw invalidArgument("payload", "must be a Uint8Array", "give one whole notify payload");
}

function next({ nextPayload = 0 }: { nextPayload?: number | undefined }): number {
  if (Number.isInteger(nextPayload) && nextPayload >= 0 && nextPayload <= 255) return nextPayload;
  throw invalidArgument("nextPayload", "must be the number of a payload type, 0 to 255", "0 is the default: none");
}
