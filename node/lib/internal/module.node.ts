/** The compiled core, from the file next to this one: for CommonJS, without a bundler. */
import { readFileSync } from "node:fs";

declare const __dirname: string;

export function compile(): WebAssembly.Module {
  return new WebAssembly.Module(readFileSync(`${__dirname}/core.wasm`));
}
