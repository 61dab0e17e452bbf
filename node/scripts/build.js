/** Builds the package into dist/: WebAssembly, generated modules, types, and one module that has everything. */
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const here = fileURLToPath(new URL("..", import.meta.url));
const root = fileURLToPath(new URL("../..", import.meta.url));
const target = process.env.CARGO_TARGET_DIR ?? `${root}/target`;

// the same WebAssembly on every machine: texts of panics have paths
const cargo = process.env.CARGO_HOME ?? `${homedir()}/.cargo`;
const env = {
  ...process.env,
  CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS: `--remap-path-prefix=${cargo}=cargo --remap-path-prefix=${root}=`,
};

function run(command, ...args) {
  const { status, error } = spawnSync(command, args, { cwd: root, env, stdio: "inherit" });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

const wasm = ["--profile", "wasm", "--target", "wasm32-unknown-unknown"];
run("cargo", "build", "--locked", "--package", "skip-client-node", ...wasm);
const generator = ["run", "--locked", "--quiet", "--release", "--package", "skip-client-node-bindgen", "--"];
run("cargo", ...generator, `${target}/wasm32-unknown-unknown/wasm/skip_client_node.wasm`, "node/lib/generated");

rmSync(`${here}/dist`, { recursive: true, force: true });
run("node", `${here}/node_modules/typescript/bin/tsc`, "--emitDeclarationOnly", "-p", `${here}/tsconfig.json`);
// the only generated types that are public
mkdirSync(`${here}/dist/generated`, { recursive: true });
copyFileSync(`${here}/lib/generated/codes.d.ts`, `${here}/dist/generated/codes.d.ts`);
rmSync(`${here}/dist/internal`, { recursive: true });
rmSync(`${here}/dist/skip-validate.d.ts`);

const bundles = [
  { input: `${here}/lib/index.ts`, file: `${here}/dist/index.js` },
  { input: `${here}/lib/skip-validate.ts`, file: `${here}/dist/skip-validate.js`, external: ["./index.js"] },
];
for (const { input, file, external = [] } of bundles) {
  const bundle = await rolldown({ input, external: [/^node:/, ...external] });
  await bundle.write({ file, format: "esm", minify: true });
  await bundle.close();
}
chmodSync(`${here}/dist/skip-validate.js`, 0o755);
