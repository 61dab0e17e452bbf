/// <reference lib="esnext.disposable" preserve="true" />
import { invalidArgument } from "./errors.js";
import type { ExportFormat } from "./generated/codes.js";
import { string } from "./internal/input.js";
import { buffer, checked, core, run, taken } from "./internal/wasm.js";
import type { Problem } from "./validate.js";

/**
 * Secret bytes, accessible only through `bytes`, `hex()` and a key's `export()`. After `wipe()` these throw `SkipError` with
 * the code `invalid_argument`; the other members remain available.
 */
class Secret {
  readonly #bytes: Uint8Array;
  #wiped = false;
  /** Warnings about a valid reply. */
  readonly warnings: Problem[];
  /** The length of a key, or the entropy according to the Key Provider, in bits. */
  readonly bits: number;

  constructor(bytes: Uint8Array, bits: number, warnings: Problem[]) {
    this.#bytes = bytes;
    this.bits = bits;
    this.warnings = warnings;
  }

  /**
   * The bytes themselves, not a copy: `wipe()` overwrites them.
   *
   * @throws {SkipError} `invalid_argument` after `wipe()`.
   */
  get bytes(): Uint8Array {
    if (this.#wiped)
      throw invalidArgument("secret", "was wiped", "use a key before it is wiped or its block ends, or fetch another");
    return this.#bytes;
  }

  /**
   * The bytes as lower-case hexadecimal text. A string cannot be wiped.
   *
   * @throws {SkipError} `invalid_argument` after `wipe()`.
   */
  hex(): string {
    return Array.from(this.bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  /**
   * Whether the bytes are equal, compared in constant time.
   *
   * @throws {SkipError} `invalid_argument` if either was wiped or is not a secret.
   */
  equals(other: Secret): boolean {
    if (!(typeof other === "object" && other !== null && #bytes in other)) {
      throw invalidArgument("other", "must be a key or entropy", "compare what the Key Providers gave out");
    }
    const [mine, theirs] = [this.bytes, other.bytes];
    let different = mine.length ^ theirs.length;
    for (let i = 0; i < mine.length; i++) different |= (mine[i] as number) ^ (theirs[i] ?? 0);
    return different === 0;
  }

  /** Overwrites the bytes. */
  wipe(): void {
    this.#bytes.fill(0);
    this.#wiped = true;
  }

  /** The same as `wipe()`, for `using`. */
  [Symbol.dispose](): void {
    this.wipe();
  }
}

/** A key (draft 4.2) and its keyId. */
export class Key extends Secret {
  /** The keyId, which is public: as received, or as requested for a key by its keyId. */
  readonly keyId: string;
  /**
   * Eight hexadecimal digits that are equal at both ends if the keys are: the start of a SHA-256
   * over a fixed label and the key. For people to compare; programs use `equals`.
   */
  readonly fingerprint: string;

  /** @internal */
  constructor(bytes: Uint8Array, parts: { keyId: string; bits: number; fingerprint: string; warnings: Problem[] }) {
    super(bytes, parts.bits, parts.warnings);
    this.keyId = parts.keyId;
    this.fingerprint = parts.fingerprint;
  }

  /**
   * The key in an export format: `hex`, `base64`, `raw` (the bytes), or configuration for
   * `strongswan`, `libreswan`, `vyos`, `wireguard`, `wpa` (MACsec) or `cisco`. All except `raw` are
   * ASCII text.
   *
   * The bytes are the caller's: overwrite them (`fill(0)`) after use.
   *
   * @throws {SkipError} `invalid_argument` if the format is unknown or does not support this length
   * or this keyId, and after `wipe()`.
   */
  export(format: ExportFormat): Uint8Array {
    const key = this.bytes;
    return run(() => {
      buffer().set(key);
      return taken(Number(checked(core.export_key(this.keyId, string("format", format), key.length))));
    });
  }
}

/** Random bytes from a Key Provider (draft 4.3). */
export class Entropy extends Secret {
  /** @internal */
  constructor(bytes: Uint8Array, parts: { bits: number; warnings: Problem[] }) {
    super(bytes, parts.bits, parts.warnings);
  }
}
