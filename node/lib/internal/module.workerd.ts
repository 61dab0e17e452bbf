/** The core, as a module that the runtime compiles: Cloudflare's workerd forbids compiling at run time. */
import module from "./core.wasm";

export function compile(): WebAssembly.Module {
  return module;
}
