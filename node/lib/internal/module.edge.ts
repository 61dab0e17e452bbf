/** The core, as a module that the runtime compiles, in the syntax of Vercel's edge runtime. */
import module from "./core.wasm?module";

export function compile(): WebAssembly.Module {
  return module;
}
