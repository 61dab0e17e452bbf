/**
 * Builds the package into dist/: one WebAssembly module, and scripts for each kind of loader.
 *
 * - `index.js` (`main.js`, `schemas.js`), `node.js`: ES modules for browsers and bundlers, with the core as text in
 *   `core-bytes.js`.
 * - `index.cjs`, `node.cjs`: CommonJS for Node, with the core in `core.wasm` beside them. Node's `import` comes here too, through
 *   `index.mjs` and `node.mjs`, so that a process never has two cores and two classes `SkipError`.
 * - `workerd.js`, `edge-light.js`: for edge runtimes, which compile `core.wasm` themselves.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const here = fileURLToPath(new URL("..", import.meta.url));
const root = fileURLToPath(new URL("../..", import.meta.url));
const target = process.env.CARGO_TARGET_DIR ?? `${root}/target`;
const dist = `${here}/dist`;

// the same WebAssembly on every machine: texts of panics have paths. SHA-256 small instead of fast: it only reads keys
const cargo = process.env.CARGO_HOME ?? `${homedir()}/.cargo`;
const flags = `--remap-path-prefix=${cargo}=cargo --remap-path-prefix=${root}= --cfg sha2_backend_soft="compact"`;
const env = { ...process.env, CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS: flags };

function run(command, ...args) {
  const { status, error } = spawnSync(command, args, { cwd: root, env, stdio: "inherit" });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

const wasm = ["--profile", "wasm", "--target", "wasm32-unknown-unknown"];
run("cargo", "build", "--locked", "--package", "skip-client-node", ...wasm);
const generator = ["run", "--locked", "--quiet", "--release", "--package", "skip-client-node-bindgen", "--"];
const binary = `${target}/wasm32-unknown-unknown/wasm/skip_client_node.wasm`;
run("cargo", ...generator, binary, "node/lib/generated", `${here}/node_modules/.bin/wasm-opt`);

rmSync(dist, { recursive: true, force: true });
run("node", `${here}/node_modules/typescript/bin/tsc`, "--emitDeclarationOnly", "-p", `${here}/tsconfig.json`);
// the only generated types that are public
mkdirSync(`${dist}/generated`, { recursive: true });
copyFileSync(`${here}/lib/generated/codes.d.ts`, `${dist}/generated/codes.d.ts`);
rmSync(`${dist}/internal`, { recursive: true });
rmSync(`${dist}/skip-validate.d.ts`);
for (const name of readdirSync(dist, { recursive: true }).filter((name) => name.endsWith(".d.ts"))) {
  const types = readFileSync(`${dist}/${name}`, "utf8");
  writeFileSync(`${dist}/${name.replace(/ts$/, "cts")}`, types.replace(/(from "\.[^"]*)\.js"/g, '$1.cjs"'));
}

copyFileSync(`${here}/lib/generated/core.wasm`, `${dist}/core.wasm`);
copyFileSync(`${here}/lib/generated/bytes.js`, `${dist}/core-bytes.js`);
await build("schemas", "schemas.js");
await build("index", "main.js", "module");
await build("index", "index.cjs", "module.node");
await build("index", "workerd.js", "module.workerd");
await build("index", "edge-light.js", "module.edge");
await build("node", "node.js", undefined, "./index.js");
await build("node", "node.cjs", undefined, "./index.cjs");
await build("skip-validate", "skip-validate.js", undefined, "./index.mjs");
chmodSync(`${dist}/skip-validate.js`, 0o755);

// bundlers drop a whole script that is not used, but not always the classes in one
const { schemas, ...others } = await import(`${dist}/main.js`);
const parts = `export { ${Object.keys(others).join(", ")} } from "./main.js";\nexport { schemas } from "./schemas.js";\n`;
writeFileSync(`${dist}/index.js`, parts);

const require = createRequire(import.meta.url);
for (const name of ["index", "node"]) {
  const names = Object.keys(require(`${dist}/${name}.cjs`));
  const text = `import all from "./${name}.cjs";\nexport const { ${names.join(", ")} } = all;\n`;
  writeFileSync(`${dist}/${name}.mjs`, text);
}

/** One script of an entry. `core` says where the WebAssembly comes from, `library` which script to import instead of `index.ts`. */
async function build(entry, file, core, library) {
  const choose = {
    name: "choose",
    resolveId(source, importer) {
      if (source.endsWith(".wasm") || source.endsWith(".wasm?module")) return { id: source, external: true };
      if (basename(source) === "module.js") return `${here}/lib/internal/${core}.ts`;
      // a script of its own: text that cannot be compressed makes that of the text around it worse
      if (basename(source) === "bytes.js") return { id: "./core-bytes.js", external: true };
      if (file === "main.js" && basename(source) === "schemas.js" && !importer?.endsWith("/schemas.ts")) {
        return { id: "./schemas.js", external: true };
      }
      if (library && basename(source) === "index.js") return { id: library, external: true };
      return null;
    },
  };
  const input = `${here}/lib/${entry}.ts`;
  const experimental = { attachDebugInfo: "none" };
  const bundle = await rolldown({ input, external: [/^node:/], plugins: [choose], experimental });
  // names and lines stay, for stack traces; comments are in the types and in the source map
  const minify = { compress: true, mangle: { keepNames: true }, codegen: { removeWhitespace: entry === "schemas" } };
  const comments = { annotation: true, legal: false, jsdoc: false };
  const format = file.endsWith(".cjs") ? "cjs" : "esm";
  const path = `${dist}/${file}`;
  await bundle.write({ file: path, format, minify, sourcemap: true, comments, exports: "named" });
  await bundle.close();
}
