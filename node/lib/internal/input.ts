/** Checks arguments, and puts messages into the core's buffer. */
import { invalidArgument } from "../errors.js";
import { at, buffer, core, USUAL } from "./wasm.js";

const encoder = /* @__PURE__ */ new TextEncoder();
/** With the flag `u` a surrogate pair is one character, so this finds only lone surrogates. */
const HALF_A_PAIR = /\p{Surrogate}/u;

/**
 * The largest message that is validated. No SKIP message comes near, and the core has much less
 * memory than JavaScript.
 */
export const LARGEST = 16 * 1024 * 1024;

/** The size of the reserved memory, and the length of the text in it, in bytes. */
export type Placed = readonly [reserved: number, length: number];

/** Copies the text or bytes of a message, or a value from `JSON.parse`, into the core's memory. */
export function place(message: unknown): Placed {
  if (typeof message === "string") return placeText(message);
  const bytes = bytesOf(message);
  return bytes === null ? placeText(stringify(message)) : placeBytes(bytes);
}

/** Copies text for the core. Most text is ASCII and needs only one pass. */
function placeText(text: string): Placed {
  if (text.length * 3 <= USUAL) {
    const { written } = encoder.encodeInto(text, buffer());
    if (written === text.length || !HALF_A_PAIR.test(text)) return [USUAL, written];
    core.wipe(USUAL, written);
  }
  if (text.length > LARGEST) throw tooLarge();
  const bytes = encode(text);
  const placed = placeBytes(bytes);
  bytes.fill(0);
  return placed;
}

export function placeBytes(bytes: Uint8Array): Placed {
  if (bytes.length > LARGEST) throw tooLarge();
  const reserved = Math.max(bytes.length, USUAL);
  at(reserved).set(bytes);
  return [reserved, bytes.length];
}

function tooLarge(): Error {
  return invalidArgument("message", "must not be larger than 16 MiB", "a SKIP message has at most 64 KiB");
}

/** UTF-8. A lone surrogate becomes invalid UTF-8, which the core reports. */
export function encode(text: string): Uint8Array {
  const half = text.search(HALF_A_PAIR);
  if (half < 0) return encoder.encode(text);
  const before = encoder.encode(text.slice(0, half));
  const bytes = new Uint8Array(before.length + 1).fill(0xff);
  bytes.set(before);
  return bytes;
}

/** The bytes of a view or an `ArrayBuffer`, also of another realm (a frame, Jest's sandbox), where `instanceof` is false. */
export function bytesOf(value: unknown): Uint8Array | null {
  if (value instanceof Uint8Array) return value;
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (Object.prototype.toString.call(value) === "[object ArrayBuffer]") return new Uint8Array(value as ArrayBuffer);
  return null;
}

/** The JSON text of a parsed value. Other objects (a `Response`, a promise, a `Blob`) would be `{}` as JSON. */
function stringify(value: unknown): string {
  let text: string | undefined;
  try {
    if (typeof value !== "object" || value === null || Array.isArray(value) || isPlain(value)) {
      text = JSON.stringify(value);
    }
  } catch {
    // a cycle or a bigint: the original message could contain a name or a value
  }
  if (text !== undefined) return text;
  const hint = "pass the body as it was received; await it first where it is a Response, a Blob or a promise";
  throw invalidArgument("message", "must be text, bytes or a JSON value", hint);
}

/** An object without a class, of any realm. */
export function isPlain(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const parent = Object.getPrototypeOf(value);
  return parent === null || Object.getPrototypeOf(parent) === null;
}

/** An argument that must be a string with a UTF-8 form. */
export function string(field: string, value: unknown): string {
  if (typeof value !== "string") throw invalidArgument(field, "must be a string", "");
  if (HALF_A_PAIR.test(value)) throw invalidArgument(field, "has half of a surrogate pair", "give whole characters");
  return value;
}

/** Options by name: an object of known members, or nothing. A misspelled option must not be ignored. */
export function knownOptions<T extends object>(options: T | undefined, names: readonly string[]): T {
  if (options === undefined) return {} as T;
  if (typeof options !== "object" || options === null) {
    throw invalidArgument("options", "must be an object", `give ${names.join(", ")}, or nothing`);
  }
  for (const name of Object.keys(options)) {
    // a name could be anything, even a secret in the wrong place
    const shown = /^\w{1,30}$/.test(name) ? name : "options";
    if (!names.includes(name)) throw invalidArgument(shown, "is not an option here", `give ${names.join(", ")}`);
  }
  return options;
}

/** An option that is true or false. */
export function flag(field: string, value: unknown): boolean {
  if (value === undefined) return false;
  if (typeof value !== "boolean") throw invalidArgument(field, "must be true or false", "false is the default");
  return value;
}
