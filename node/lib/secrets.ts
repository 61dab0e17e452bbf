/// <reference lib="esnext.disposable" preserve="true" />
import { invalidArgument } from "./errors.js";
import type { ExportFormat } from "./generated/codes.js";
import { string } from "./internal/input.js";
import { buffer, checked, core, run, taken } from "./internal/wasm.js";
import type { Problem } from "./validate.js";

/**
 * Secret bytes, which only `bytes`, `hex()` and a key's `export()` show. After `wipe()` these throw `SkipError` with the code
 * `invalid_argument`; the other members stay.
 */
class Secret {
  readonly #bytes: Uint8Array;
  #wiped = false;
  /** What is unusual in the reply although it is valid. */
  readonly warnings: Problem[];
  /** The length of a key in bits; for entropy, how many bits of entropy the Key Provider says there are. */
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
   * Whether the bytes are the same, in a time that does not depend on them.
   *
   * @throws {SkipError} `invalid_argument` when one of the two was wiped or is not a secret.
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

/** A key that a Key Provider gave out (draft 4.2), and the keyId that names it at the other end. */
export class Key extends Secret {
  /** The keyId, which is public: as received, and for a key asked for by keyId in the caller's spelling. */
  readonly keyId: string;
  /**
   * Eight hexadecimal digits that are equal at both ends when the keys are: the start of SHA-256 over a fixed label and the
   * key. For people to compare; programs use `equals`.
   */
  readonly fingerprint: string;

  /** @internal */
  constructor(bytes: Uint8Array, parts: { keyId: string; bits: number; fingerprint: string; warnings: Problem[] }) {
    super(bytes, parts.bits, parts.warnings);
    this.keyId = parts.keyId;
    this.fingerprint = parts.fingerprint;
  }

  /**
   * The key in the form that a consumer reads: `hex`, `base64`, `raw` (the bytes), or the configuration of `strongswan`,
   * `libreswan`, `vyos`, `wireguard`, `wpa` (MACsec) or `cisco`. All but `raw` are ASCII text.
   *
   * The bytes are the caller's: overwrite them (`fill(0)`) after use.
   *
   * @throws {SkipError} `invalid_argument` when the consumer does not take a key of this length or this keyId, for an unknown
   * format, and after `wipe()`.
   */
  export(format: ExportFormat): Uint8Array {
    const key = this.bytes;
    return run(() => {
      buffer().set(key);
      return taken(Number(checked(core.export_key(this.keyId, string("format", format), key.length))));
    });
  }
}

/** Random bytes that a Key Provider gave out (draft 4.3). */
export class Entropy extends Secret {
  /** @internal */
  constructor(bytes: Uint8Array, parts: { bits: number; warnings: Problem[] }) {
    super(bytes, parts.bits, parts.warnings);
  }
}
