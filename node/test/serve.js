/** `skip-client serve`: two development Key Providers in a folder. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Starts it in `folder`; returns the endpoints, with absolute paths, and a function that stops it. */
export async function serve(folder, ...more) {
  const build = ["build", "--locked", "--quiet", "--package", "skip-client-cli"];
  assert.equal(spawnSync("cargo", build, { cwd: ROOT, stdio: "inherit" }).status, 0);
  const binary = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), "debug/skip-client");
  const ports = ["--alice", "--bob", "--psk-alice", "--psk-bob"].flatMap((option) => [option, "127.0.0.1:0"]);
  const child = spawn(binary, ["serve", "--dir", folder, ...ports, ...more], { stdio: ["ignore", "pipe", "inherit"] });
  for await (const line of child.stdout) if (String(line).includes("ready")) break;
  const endpoints = JSON.parse(readFileSync(join(folder, "endpoints.json"), "utf8"));
  for (const name of ["ca", "client_cert", "client_key", "psk"]) endpoints[name] = join(folder, endpoints[name]);
  return { ...endpoints, stop: () => child.kill() };
}
