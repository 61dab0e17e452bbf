/** The core, ready to use. It starts when the package is imported, without a request or a file. */
import packed, { size } from "../generated/bytes.js";
import * as core from "../generated/core.js";
import { inflate } from "./inflate.js";

const module = new WebAssembly.Module(unpack());
const { memory } = core.initSync({ module });

/** Node unpacks in a fraction of the time with its own; a bundler finds no import here that a browser would lack. */
function unpack(): Uint8Array<ArrayBuffer> {
  const node = globalThis.process?.getBuiltinModule;
  if (node) {
    const bytes = node("node:buffer").Buffer.from(packed, "base64");
    return new Uint8Array(node("node:zlib").inflateRawSync(bytes));
  }
  const text = atob(packed);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return inflate(bytes, size);
}

export { core };

/** The core's usual buffer takes texts of up to so many bytes; longer ones get memory of their own. */
export const USUAL = 64 * 1024;

let usual: Uint8Array = new Uint8Array(0);

/** The core's usual buffer. The view is made anew when the core's memory has grown, which empties it. */
export function buffer(): Uint8Array {
  if (usual.length === 0) usual = reserve(USUAL);
  return usual;
}

/** Memory for a text of so many bytes. The next call of the core that is told so reads and wipes it. */
export function at(reserved: number): Uint8Array {
  return reserved <= USUAL ? buffer() : reserve(reserved);
}

function reserve(bytes: number): Uint8Array {
  // the core's memory may grow here, and is another one then
  const place = core.reserve(bytes);
  return new Uint8Array(memory.buffer, place, bytes);
}
