/** Puts what callers give into the core's buffer. */
import { invalidArgument } from "../errors.js";
import { at, buffer, core, USUAL } from "./wasm.js";

const encoder = new TextEncoder();
/** With the flag `u` a pair is one character, so that this finds halves of pairs only. */
const HALF_A_PAIR = /\p{Surrogate}/u;

/** How much memory was reserved, and how many bytes of it are the text. */
export type Placed = readonly [reserved: number, length: number];

/** The text or bytes of a message, or a value as `JSON.parse` makes it, for the core to read. */
export function place(message: unknown): Placed {
  if (typeof message === "string") return placeText(message);
  const bytes = bytesOf(message);
  return bytes === null ? placeText(stringify(message)) : placeBytes(bytes);
}

/** Text for the core to read. A text of ASCII characters, which most are, needs no second look. */
export function placeText(text: string): Placed {
  if (text.length * 3 <= USUAL) {
    const { written } = encoder.encodeInto(text, buffer());
    if (written === text.length || !HALF_A_PAIR.test(text)) return [USUAL, written];
    core.wipe(USUAL, written);
  }
  const bytes = encode(text);
  const placed = placeBytes(bytes);
  bytes.fill(0);
  return placed;
}

export function placeBytes(bytes: Uint8Array): Placed {
  const reserved = Math.max(bytes.length, USUAL);
  at(reserved).set(bytes);
  return [reserved, bytes.length];
}

/** UTF-8. Half a surrogate pair has none: there the bytes stop being UTF-8, as the core is to say. */
export function encode(text: string): Uint8Array {
  const half = text.search(HALF_A_PAIR);
  if (half < 0) return encoder.encode(text);
  const before = encoder.encode(text.slice(0, half));
  const bytes = new Uint8Array(before.length + 1).fill(0xff);
  bytes.set(before);
  return bytes;
}

/** The bytes of anything that has bytes. */
export function bytesOf(value: unknown): Uint8Array | null {
  if (value instanceof Uint8Array) return value;
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return null;
}

/** The JSON text of a parsed value. */
function stringify(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {
    // a circle or a bigint: the reason could show a name or a value
  }
  if (text === undefined) {
    throw invalidArgument("message", "must be text, bytes or a JSON value", "pass the body as it was received");
  }
  return text;
}

/** An argument that must be a string, and one that has a UTF-8 form. */
export function string(field: string, value: unknown): string {
  if (typeof value !== "string") throw invalidArgument(field, "must be a string", "");
  if (HALF_A_PAIR.test(value)) throw invalidArgument(field, "has half of a surrogate pair", "give whole characters");
  return value;
}
