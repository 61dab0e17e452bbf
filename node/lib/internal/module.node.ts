/** The compiled core, from the file beside this one: for CommonJS, where no bundler comes between. */
import { readFileSync } from "node:fs";

declare const __dirname: string;

export function compile(): WebAssembly.Module {
  return new WebAssembly.Module(readFileSync(`${__dirname}/core.wasm`));
}
