import { invalidArgument } from "./errors.js";
import { bytesOf, flag, knownOptions, placeBytes, string } from "./internal/input.js";
import { checked, core, run, taken } from "./internal/wasm.js";

/** The content of a `USE_PPK`. */
export interface UsePpk {
  /** The localSystemID of the sender's Key Provider; `null` from peers that only know RFC 8784. */
  localSystemId: string | null;
}

/** The content of a `PPK_IDENTITY`. */
export interface PpkIdentity {
  /** The identity, as on the wire. */
  identity: Uint8Array;
  /** The keyId, if the identity is a keyId as text. */
  keyId: string | null;
  /** The keyId in lower case, if the identity is the octets of its digits. */
  keyIdOfOctets: string | null;
}

/**
 * The IKEv2 notify payloads that SKIP uses (draft 5; RFC 8784): complete payloads, from the
 * next-payload byte on. All functions throw `SkipError` with `invalid_argument`.
 */
export const ikev2 = {
  /** `USE_PPK` (16435) with a localSystemID, or without one, as in RFC 8784. */
  encodeUsePpk(
    options: { localSystemId?: string | null | undefined; nextPayload?: number | undefined } = {},
  ): Uint8Array {
    const { localSystemId: id, nextPayload } = knownOptions(options, ["localSystemId", "nextPayload"]);
    const named = id != null;
    const name = named ? string("localSystemId", id) : "";
    return encoded(() => core.encode_use_ppk(named, name, next(nextPayload)));
  },

  /** Decodes one `USE_PPK`. */
  decodeUsePpk(payload: Uint8Array): UsePpk {
    return { localSystemId: decoded(true, payload).localSystemId ?? null };
  },

  /**
   * `PPK_IDENTITY` (16436): the keyId as text, which every known implementation accepts, or with
   * `asOctets: true` the octets of its digits (`octets: true` until 1.0). `lenient: true` accepts
   * keyIds that are not hexadecimal.
   */
  encodePpkIdentity(options: {
    keyId: string;
    asOctets?: boolean | undefined;
    octets?: boolean | undefined;
    lenient?: boolean | undefined;
    nextPayload?: number | undefined;
  }): Uint8Array {
    const { keyId, octets, asOctets, lenient, nextPayload } = knownOptions(options, [
      "keyId",
      "asOctets",
      "octets",
      "lenient",
      "nextPayload",
    ]);
    const flags = [flag("asOctets", asOctets) || flag("octets", octets), flag("lenient", lenient)] as const;
    return encoded(() => core.encode_ppk_identity(string("keyId", keyId), ...flags, next(nextPayload)));
  },

  /** Decodes one `PPK_IDENTITY`. */
  decodePpkIdentity(payload: Uint8Array): PpkIdentity {
    const found = decoded(false, payload);
    return {
      identity: Uint8Array.from(found.identity),
      keyId: found.keyId ?? null,
      keyIdOfOctets: found.keyIdOfOctets ?? null,
    };
  },
} as const;

function encoded(call: () => string): Uint8Array {
  return run(() => taken(Number(checked(call()))));
}

function decoded(usePpk: boolean, payload: unknown): Record<string, string> & { identity: number[] } {
  return JSON.parse(run(() => checked(core.decode_payload(usePpk, ...placeBytes(octets(payload))))));
}

function octets(payload: unknown): Uint8Array {
  const bytes = bytesOf(payload);
  if (bytes && bytes.length <= 0xffff) return bytes;
  throw invalidArgument("payload", "must be bytes, at most 65535", "give one whole notify payload");
}

function next(type: unknown): number {
  if (type === undefined) return 0;
  if (typeof type === "number" && Number.isInteger(type) && type >= 0 && type <= 255) return type;
  throw invalidArgument("nextPayload", "must be the number of a payload type, 0 to 255", "0 is the default: none");
}
