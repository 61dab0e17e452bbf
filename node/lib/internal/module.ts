/** The compiled core, from text inside the script: no request, no file. */
import packed, { size } from "../generated/bytes.js";
import { inflate } from "./inflate.js";

export function compile(): WebAssembly.Module {
  const text = atob(packed);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new WebAssembly.Module(inflate(bytes, size));
}
