/** The package as users get it: packed, installed into an empty folder, and used in every documented way. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { launch, needsBrowser } from "./browser.js";
import { serve } from "./serve.js";

const NODE = fileURLToPath(new URL("..", import.meta.url));
const DIST = fileURLToPath(new URL("../../dist", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "skip-client-npm-"));
const ECOSYSTEM = fileURLToPath(new URL("ecosystem", import.meta.url));
const KEY = '{"keyId": "1726e9ae76234fb1dd1283d4dca1911e", "key": "0f1e2d3c4b5a69788796a5b4c3d2e1f0"}';

function run(command, args, options = {}) {
  const found = spawnSync(command, args, { cwd: folder, encoding: "utf8", ...options });
  if (found.error) throw found.error;
  return found;
}

function good(command, args, options) {
  const { status, stdout, stderr } = run(command, args, options);
  assert.equal(status, 0, `${command} ${args.join(" ")}\n${stdout}${stderr}`);
  return stdout;
}

function write(name, text) {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), text);
}

before(() => {
  const [tarball] = readdirSync(DIST).filter((name) => /^skip-client-.*\.tgz$/.test(name));
  write("package.json", '{"private": true, "type": "module"}');
  good("npm", ["install", "--offline", "--no-audit", "--no-fund", "--loglevel=error", join(DIST, tarball)]);
});
after(() => rmSync(folder, { recursive: true, force: true }));

test("it has the files that it needs, no dependencies, and is small", () => {
  const root = join(folder, "node_modules/skip-client");
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const names = files.map((entry) => entry.name).sort();
  const scripts = [
    "index.js",
    "index.mjs",
    "index.cjs",
    "node.js",
    "node.mjs",
    "node.cjs",
    "workerd.js",
    "edge-light.js",
  ];
  for (const name of ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "core.wasm", "skip-validate.js", ...scripts]) {
    assert.ok(names.includes(name), name);
  }
  assert.ok(!names.some((name) => /\.(rs|toml|test\.js)$/.test(name)), names.join(" "));
  assert.equal(names.filter((name) => name.endsWith(".wasm")).length, 1);
  assert.equal(JSON.parse(readFileSync(join(root, "package.json"))).dependencies, undefined);
  assert.deepEqual(
    readdirSync(join(folder, "node_modules")).filter((name) => !name.startsWith(".")),
    ["skip-client"],
  );
  const size = ["index.js", "main.js", "schemas.js", "core-bytes.js"]
    .map((name) => gzipSync(readFileSync(join(root, "dist", name)), { level: 9 }).length)
    .reduce((sum, one) => sum + one);
  assert.ok(size < 45_000, `the default import has ${size} bytes of gzip`);
});

test("import and require work without a warning", () => {
  write("esm.mjs", `import { validateKey } from "skip-client"; console.log(validateKey('${KEY}').valid);`);
  write("cjs.cjs", `const { validateKey } = require("skip-client"); console.log(validateKey('${KEY}').valid);`);
  for (const script of ["esm.mjs", "cjs.cjs"]) {
    const { status, stdout, stderr } = run("node", [script]);
    assert.deepEqual([status, stdout, stderr], [0, "true\n", ""], script);
  }
});

test("the types are correct in ESM and CommonJS", () => {
  const code = `
    type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
    const same = <A, B>(_: Same<A, B>): void => {};
    const { valid, problems }: Verdict = validateKey(new Uint8Array(), { lenient: true });
    const first: "error" | "warning" | undefined = problems[0]?.severity;
    const request = buildRequest({ kind: "newKey", remote: "Bob", size: 256 });
    const get = () => parseResponse(request, 200, {}, "");
    same<ReturnType<typeof get>, Key>(true);
    const caps = () => parseResponse(buildRequest({ kind: "capabilities" }), 200, new Headers(), new Uint8Array());
    same<ReturnType<typeof caps>, Capabilities>(true);
    const guard = (value: unknown): string => (isKeyMessage(value) ? value.keyId : "");
    const code = (error: SkipError): "weak_key" | undefined => (error.code === "weak_key" ? error.code : undefined);
    const lines: number = validateLines("key", "").invalid.length + Number(matchesRemote(["a"], "a"));
    const asStandard: StandardSchemaV1<KeyMessage, KeyMessage> = standard.key;
    const asJsonSchema: StandardJSONSchemaV1 = standard.key;
    const payload: Uint8Array = ikev2.encodeUsePpk({ localSystemId: "Alice" });
    // @ts-expect-error an unknown kind
    validate("keys", "");
    // @ts-expect-error a misspelled member
    buildRequest({ kind: "newKey", remote: "Bob", sise: 256 });
    // @ts-expect-error a misspelled option
    new Client("https://kp", { timeuot: 5 });
    const fresh = (kp: Client): Promise<Key> => kp.newKey("Bob", { size: 256, signal: AbortSignal.timeout(9) });
    const form = (key: Key): Uint8Array => key.export("wireguard");
    // react-hook-form's standardSchemaResolver requires an input type with fields
    const fields: StandardSchemaV1<Record<string, any>> = standard.capabilities;
    // @ts-expect-error a remote is missing
    buildRequest({ kind: "newKey" });
    // @ts-expect-error the code of a SkipError is an error code, not any string
    code({ code: "nonsense" });
    export { asJsonSchema, asStandard, code, fields, first, form, fresh, get, guard, lines, payload, schemas, valid };`;
  const names = `buildRequest, ikev2, isKeyMessage, matchesRemote, parseResponse, schemas, SkipError, standard,
    validate, validateKey, validateLines, type Capabilities, type Key, type KeyMessage, type Verdict`;
  const spec = 'import type { StandardJSONSchemaV1, StandardSchemaV1 } from "@standard-schema/spec";';
  const client = 'import { Client } from "skip-client/node";';
  for (const file of ["types.mts", "types.cts", "types.ts"]) {
    write(file, `import { ${names} } from "skip-client"; ${client} ${spec} ${code}`);
  }
  cpSync(`${NODE}/node_modules/@standard-schema`, `${folder}/node_modules/@standard-schema`, { recursive: true });
  const strict = "--noEmit --strict --skipLibCheck false --lib ES2023,DOM --types node";
  const types = ["--typeRoots", `${NODE}/node_modules/@types`];
  for (const tools of [NODE, ECOSYSTEM]) {
    const tsc = [`${tools}/node_modules/typescript/bin/tsc`, ...strict.split(" "), ...types];
    for (const module of ["nodenext", "node16"]) good("node", [...tsc, "--module", module, "types.mts", "types.cts"]);
    const bundler = ["--module", "esnext", "--moduleResolution", "bundler", "--target", "es2022"];
    good("node", [...tsc, ...bundler, "types.ts", "types.mts"]);
  }
  rmSync(`${folder}/node_modules/@standard-schema`, { recursive: true });
});

test("import and require share one library with one core", () => {
  write(
    "one.cjs",
    `const { Client, SkipError } = require("skip-client/node");
     import("skip-client").then((esm) => import("skip-client/node").then((node) => {
       console.log(esm.SkipError === SkipError && node.Client === Client && require("skip-client").SkipError === SkipError);
     }));`,
  );
  assert.equal(good("node", ["one.cjs"]), "true\n");
});

test("Node 26, Bun and Deno: one library, and a client with certificates", async () => {
  const kp = await serve(join(folder, "kp"));
  write(
    "runtime.mjs",
    `import assert from "node:assert/strict";
     import { createRequire } from "node:module";
     import { SkipError, validateKey } from "skip-client";
     import { Client } from "skip-client/node";
     const required = createRequire(import.meta.url)("skip-client");
     assert.ok(required.SkipError === SkipError && validateKey('${KEY}').valid);
     const { alice, bob, ca, client_cert: cert, client_key: key, psk } = ${JSON.stringify(kp)};
     const made = await new Client(alice.url, { ca, cert, key }).newKey(bob.id);
     const same = await new Client(bob.url, { ca }).keyById(made.keyId, alice.id);
     assert.ok(same.equals(made));
     const refused = (code, options) => assert.rejects(new Client(alice.url, options).newKey(bob.id), { code });
     await refused("tls_failed", { ca: cert });
     await refused("tls_failed", { ca, serverName: "elsewhere" });
     await refused("tls_failed", { pin: "sha256/${"A".repeat(43)}=" });
     await refused("connection_lost", { ca, signal: AbortSignal.abort() });
     const withPsk = () => new Client(alice.psk_url, { psk }).newKey(bob.id);
     const hasPsk = !("bun" in process.versions || "deno" in process.versions);
     if (hasPsk) assert.equal((await withPsk()).bits, 256);
     else assert.throws(withPsk, { code: "invalid_argument", message: /^psk: / });
     console.log(hasPsk);`,
  );
  try {
    const bin = join(ECOSYSTEM, "node_modules/.bin");
    assert.match(good(join(bin, "node"), ["--version"]), /^v26\./);
    assert.equal(good(join(bin, "node"), ["runtime.mjs"]), "true\n");
    assert.equal(good(join(bin, "bun"), ["runtime.mjs"]), "false\n");
    assert.equal(good(join(bin, "deno"), ["run", "--allow-all", "runtime.mjs"]), "false\n");
  } finally {
    kp.stop();
  }
});

test("an uncaught error shows names and short lines", () => {
  write("uncaught.mjs", 'import { buildRequest } from "skip-client"; buildRequest({ kind: "newKey", remote: "*" });');
  const { stderr } = run("node", ["uncaught.mjs"]);
  assert.match(stderr, /SkipError.*: /);
  assert.match(stderr, /at buildRequest/);
  assert.ok(
    stderr.split("\n").every((line) => line.length < 400),
    stderr,
  );
});

test("publint and attw find no problems", () => {
  const root = join(folder, "node_modules/skip-client");
  write(
    "publint.mjs",
    `import { publint } from ${JSON.stringify(`${ECOSYSTEM}/node_modules/publint/src/index-node.js`)};
     const { messages } = await publint({ pkgDir: ${JSON.stringify(root)}, strict: true, pack: false });
     console.log(JSON.stringify(messages));`,
  );
  assert.equal(good("node", ["publint.mjs"]), "[]\n");
  const [tarball] = readdirSync(DIST).filter((name) => /^skip-client-.*\.tgz$/.test(name));
  const attw = [`${ECOSYSTEM}/node_modules/@arethetypeswrong/cli/dist/index.js`, join(DIST, tarball)];
  good("node", [...attw, "--profile", "node16", "--exclude-entrypoints", "./core.wasm"]);
});

test("Jest loads it, as CommonJS", () => {
  write(
    "jest/skip.test.cjs",
    `const { isKeyMessage, validateKey } = require("skip-client");
     const { Client } = require("skip-client/node");
     test("it works", () => {
       expect(validateKey('${KEY}').valid).toBe(true);
       expect(isKeyMessage(${KEY})).toBe(true);
       expect(validateKey(new TextEncoder().encode('${KEY}').buffer).valid).toBe(true);
       expect(() => new Client("http://kp")).toThrow("https");
     });`,
  );
  const options = ["--rootDir", join(folder, "jest"), "--testMatch", "**/*.test.cjs", "--config", '{"transform": {}}'];
  good("node", [
    `${ECOSYSTEM}/node_modules/jest/bin/jest.js`,
    ...options,
    "--modulePaths",
    join(folder, "node_modules"),
  ]);
});

test("webpack bundles it, and a bundle of the schemas alone has no WebAssembly", () => {
  write("all.js", `import { validateKey } from "skip-client"; console.log(validateKey('${KEY}').valid);`);
  write("schemas.js", 'import { schemas } from "skip-client"; console.log(schemas.key.strict.type);');
  const webpack = createRequire(`${ECOSYSTEM}/`)("webpack");
  return Promise.all(
    ["all", "schemas"].map(async (name) => {
      const output = { path: join(folder, "webpack"), filename: `${name}.cjs` };
      const entry = join(folder, `${name}.js`);
      const options = { mode: "production", target: "web", context: folder, entry, output };
      const stats = await new Promise((done, failed) =>
        webpack(options, (error, stats) => (error ? failed(error) : done(stats))),
      );
      assert.ok(!stats.hasErrors(), stats.toString());
      const file = join(folder, `webpack/${name}.cjs`);
      const [text, result] = [readFileSync(file, "utf8"), good("node", [file])];
      assert.equal(result, name === "all" ? "true\n" : "object\n");
      if (name === "schemas") assert.ok(text.length < 12_000 && !text.includes("WebAssembly"), `${text.length}`);
    }),
  );
});

test("workerd runs it, with the core as a module", async () => {
  const { Miniflare } = createRequire(`${ECOSYSTEM}/`)("miniflare");
  const root = join(folder, "node_modules/skip-client/dist");
  const script = `import { validateKey } from "./workerd.js";
    export default { async fetch(request) { return Response.json(validateKey(await request.text())); } };`;
  const worker = new Miniflare({
    modules: [
      { type: "ESModule", path: join(root, "main.mjs"), contents: script },
      { type: "ESModule", path: join(root, "workerd.js") },
      { type: "CompiledWasm", path: join(root, "core.wasm") },
    ],
    modulesRoot: root,
    compatibilityDate: "2026-01-01",
  });
  try {
    const reply = await worker.dispatchFetch("http://localhost/", { method: "POST", body: KEY });
    assert.equal((await reply.json()).valid, true);
  } finally {
    await worker.dispose();
  }
});

test("a Vite build runs in a browser", needsBrowser, async () => {
  mkdirSync(`${folder}/site`, { recursive: true });
  write(
    "site/index.html",
    '<!doctype html><title></title><link rel="icon" href="data:,"><script type="module" src="./main.js"></script>',
  );
  write("site/main.js", `import { validateKey } from "skip-client"; document.title = validateKey('${KEY}').valid;`);
  good("node", [`${NODE}/node_modules/vite/bin/vite.js`, "build", "site", "--logLevel", "warn"]);
  const types = { js: "text/javascript", html: "text/html" };
  const server = createServer(({ url }, reply) => {
    const file = join(folder, "site/dist", url === "/" ? "index.html" : url);
    reply.setHeader("content-type", types[file.split(".").at(-1)] ?? "text/plain").end(readFileSync(file));
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const browser = await launch();
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    await page.waitForFunction(() => document.title === "true");
  } finally {
    await browser.close();
    server.close();
  }
});

const validate = (args, input = "") => run("node_modules/.bin/skip-validate", args, { input });

test("skip-validate: one message, with a guessed or given type", () => {
  const found = validate([], KEY);
  assert.deepEqual([found.status, found.stdout], [0, "stdin: valid (key)\n"]);
  write("bad.json", '{\n"keyId": "00",\n"key": "0f1e2d3c4b5a69788"\n}');
  const bad = validate(["bad.json"]);
  assert.equal(bad.status, 5);
  assert.match(bad.stdout, /^bad\.json: error: \/key: must have an even .* \[odd_length, draft 4\.2\.2\]$/m);
  assert.match(bad.stdout, /bad\.json: invalid \(key\)\n$/);
  const json = JSON.parse(validate(["--json", "--type", "entropy", "-"], KEY).stdout);
  assert.deepEqual([json.file, json.kind, json.valid, json.problems.length], ["stdin", "entropy", false, 2]);
  assert.equal(validate(["--lenient"], '{"keyId":"SKIP-1","key":"0f1e2d3c4b5a6978"}').status, 0);
  assert.equal(validate(["--schema", "as-published"], '{"keyId":"","key":"x"}').status, 0);
  assert.match(validate([], '{"detail": "x"}').stdout, /unknown_type/);
});

test("skip-validate: lines of several types and of many megabytes", () => {
  const entropy = '{"randomStr": "0a0b", "minentropy": 17}';
  const mixed = validate(["--json"], `${KEY}\n\n${entropy}\n[]\n${KEY}`);
  const { lines, valid, invalid } = JSON.parse(mixed.stdout);
  assert.deepEqual([mixed.status, lines, valid], [5, 4, 2]);
  assert.deepEqual(
    invalid.map((one) => [one.line, one.problems[0].code]),
    [
      [3, "too_short"],
      [4, "unknown_type"],
    ],
  );
  write("many.jsonl", `${KEY}\n`.repeat(40_000) + `${entropy}\n` + `${KEY}\n`.repeat(10_000));
  for (const args of [["many.jsonl"], ["--type", "key", "--lines", "many.jsonl"]]) {
    const many = validate(args);
    assert.equal(many.status, 5);
    assert.match(many.stdout, /^many\.jsonl:40001: error: /);
    assert.match(many.stdout, /many\.jsonl: 50000 of 50001 messages are valid\n$/);
  }
});

test("skip-validate: an unreadable file does not hide the next", () => {
  write("good.json", KEY);
  const found = validate(["good.json", "no-such-file", ".", "good.json"]);
  assert.equal(found.status, 2);
  assert.equal(found.stdout, "good.json: valid (key)\n".repeat(2));
  assert.equal(found.stderr.match(/^error: /gm).length, 2);
});

test("skip-validate: a million invalid lines, and an endless line, in bounded memory", () => {
  write("invalid.jsonl", '{"keyId": 7}\n'.repeat(1_000_000));
  write("long.jsonl", `${KEY}\n{"x": "${"y".repeat(40_000_000)}"}\n${KEY}\n[]\n`);
  const node = (...args) => {
    const options = ["--max-old-space-size=64", "node_modules/skip-client/dist/skip-validate.js", ...args];
    return run("node", options, { maxBuffer: 2 ** 30 });
  };
  for (const args of [[], ["--json"]]) {
    const { status, stdout, stderr } = node("--type", "key", ...args, "invalid.jsonl");
    assert.deepEqual([status, stderr], [5, ""]);
    if (args.length === 0) {
      assert.match(stdout, /0 of 1000000 messages are valid\n$/);
      continue;
    }
    const { invalid, lines, valid } = JSON.parse(stdout);
    assert.deepEqual([invalid.length, invalid.at(-1).line, lines, valid], [1_000_000, 1_000_000, 1_000_000, 0]);
  }
  const long = JSON.parse(node("--json", "--lines", "long.jsonl").stdout);
  assert.deepEqual(
    [long.lines, long.valid, long.invalid.map(({ line, problems }) => [line, problems[0].code])],
    [
      4,
      2,
      [
        [2, "too_large"],
        [4, "unknown_type"],
      ],
    ],
  );
});

test("skip-validate: usage errors, colours, help", () => {
  for (const args of [["--type", "keys"], ["--schema", "x"], ["--color", "x"], ["--nonsense"], ["no-such-file"]]) {
    const { status, stderr } = validate(args, KEY);
    assert.equal(status, 2, args.join(" "));
    assert.match(stderr, /^error: .+\nhint: .+\n$/);
  }
  assert.ok(!validate([], KEY).stdout.includes("\x1b"));
  assert.ok(validate(["--color", "always"], KEY).stdout.includes("\x1b[32m"));
  assert.match(validate(["--help"]).stdout, /^usage: skip-validate/);
  assert.match(validate(["--version"]).stdout, /^skip-validate \d+\.\d+\.\d+\n$/);
});
