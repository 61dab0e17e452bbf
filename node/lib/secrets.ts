import type { Problem } from "./validate.js";

/** Secret bytes. Nothing shows them but `bytes` and `hex()`; `wipe()` overwrites them. */
class Secret {
  readonly #bytes: Uint8Array;
  /** What is odd in the reply though it is valid. */
  readonly warnings: Problem[];
  /** The length in bits. */
  readonly bits: number;

  constructor(bytes: Uint8Array, bits: number, warnings: Problem[]) {
    this.#bytes = bytes;
    this.bits = bits;
    this.warnings = warnings;
  }

  /** The bytes themselves, not a copy: zeros after `wipe()`. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** The bytes as hexadecimal text, which cannot be wiped. */
  hex(): string {
    return Array.from(this.#bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  /** Whether the bytes are the same, in a time that does not depend on them. */
  equals(other: Secret): boolean {
    const [mine, theirs] = [this.#bytes, other.#bytes];
    let different = mine.length ^ theirs.length;
    for (let i = 0; i < mine.length; i++) different |= (mine[i] as number) ^ (theirs[i] ?? 0);
    return different === 0;
  }

  /** Overwrites the bytes with zeros. */
  wipe(): void {
    this.#bytes.fill(0);
  }

  /** The same as `wipe()`, for `using`. */
  [Symbol.dispose](): void {
    this.wipe();
  }
}

/** A key that a Key Provider gave out (draft 4.2), and the keyId that names it at the other end. */
export class Key extends Secret {
  /** The keyId, which is public: as received, and for a key by its keyId as it was asked for. */
  readonly keyId: string;

  /** @internal */
  constructor(bytes: Uint8Array, parts: { keyId: string; bits: number; warnings: Problem[] }) {
    super(bytes, parts.bits, parts.warnings);
    this.keyId = parts.keyId;
  }
}

/** Random bytes that a Key Provider gave out (draft 4.3); `bits` is how many bits of entropy it says they have. */
export class Entropy extends Secret {
  /** @internal */
  constructor(bytes: Uint8Array, parts: { bits: number; warnings: Problem[] }) {
    super(bytes, parts.bits, parts.warnings);
  }
}
