/** The core. It starts at its first use, synchronously, and again after a trap. */
import { SkipError } from "../errors.js";
import * as core from "../generated/core.js";
import { compile } from "./module.js";

export { core };

/** The size of the core's usual buffer; longer texts get memory of their own. */
export const USUAL = 64 * 1024;

let module: WebAssembly.Module | undefined;
let memory: WebAssembly.Memory | undefined;
let usual = new Uint8Array(0);

/**
 * Calls the core. After an exception, such as a trap or a stack overflow, it may be in any state:
 * its memory is wiped, and the next call starts it again.
 */
export function run<T>(call: () => T): T {
  try {
    memory ??= start();
    return call();
  } catch (thrown) {
    if (!(thrown instanceof SkipError)) {
      if (memory) new Uint8Array(memory.buffer).fill(0);
      memory = undefined;
    }
    throw thrown;
  }
}

/** A result of the core; one that begins with an exclamation mark has the parts of an error. */
export function checked(result: string): string {
  if (result.startsWith("!")) throw new SkipError(JSON.parse(result.slice(1)));
  return result;
}

/** What the core left in the buffer: so many bytes. The buffer is wiped. */
export function taken(bytes: number): Uint8Array<ArrayBuffer> {
  const copy = buffer().slice(0, bytes);
  core.wipe(USUAL, bytes);
  return copy;
}

function start(): WebAssembly.Memory {
  usual = new Uint8Array(0);
  try {
    module ??= compile();
    return core.initSync({ module }).memory;
  } catch (thrown) {
    if (thrown instanceof RangeError) throw thrown;
    // the engine's own message does not name the directive of the Content-Security-Policy
    throw new SkipError({
      code: "not_supported",
      message: "WebAssembly cannot be compiled here",
      hint:
        "a Content-Security-Policy must allow it: script-src 'wasm-unsafe-eval'; bundlers for edge runtimes must use " +
        "the export condition workerd or edge-light",
      advice: "no",
    });
  }
}

/** The usual buffer. A view of it goes stale when the core's memory grows. */
export function buffer(): Uint8Array {
  if (usual.length === 0) usual = reserve(USUAL);
  return usual;
}

/** Memory for a text of this many bytes. The next call that gets its length reads and wipes it. */
export function at(reserved: number): Uint8Array {
  return reserved <= USUAL ? buffer() : reserve(reserved);
}

function reserve(bytes: number): Uint8Array<ArrayBuffer> {
  // the memory may grow here, which replaces its buffer
  const place = core.reserve(bytes);
  return new Uint8Array((memory as WebAssembly.Memory).buffer as ArrayBuffer, place, bytes);
}
