/**
 * Compares the package with its peers, on the same messages in one run: `scripts/bench node`.
 *
 * The peers take turns in many short rounds, and the best round of each counts, so other work on the machine affects all
 * alike. ajv and schemasafe are compiled beforehand, with the strict schema and with the one published in the draft.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { parser } from "@exodus/schemasafe";
import Ajv from "ajv";
import Ajv2020 from "ajv/dist/2020.js";
import { isValid, schemas, validateKey, validateLines } from "skip-client";
import { z } from "zod";

const MESSAGES = 1024;
const LINES = 100_000;

const hex = (digits) => Array.from({ length: digits }, () => Math.floor(Math.random() * 16).toString(16)).join("");
// through a buffer, as from a network: concatenated strings are only flattened at their first use
const texts = Array.from({ length: MESSAGES }, () =>
  Buffer.from(`{"keyId": "${hex(32)}", "key": "${hex(64)}"}`).toString(),
);
const { $schema: _, ...published } = schemas.key.asPublished;
const strict = new Ajv2020().compile(schemas.key.strict);
const loose = new Ajv().compile(published);
const hexadecimal = z.string().regex(/^([0-9A-Fa-f]{2})+$/);
const zod = z.object({ keyId: hexadecimal.max(512), key: hexadecimal.max(16_384) });
const { $id: __, ...plain } = structuredClone(schemas.key.strict);
const safe = parser(plain, { mode: "lax" });

const single = {
  "skip-client validateKey": (text) => validateKey(text).valid,
  "skip-client isValid": (text) => isValid("key", text),
  "JSON.parse + ajv, strict schema": (text) => strict(JSON.parse(text)),
  "JSON.parse + ajv, published schema": (text) => loose(JSON.parse(text)),
  "JSON.parse + zod": (text) => zod.safeParse(JSON.parse(text)).success,
  "schemasafe parser, strict schema": (text) => safe(text).valid,
  "JSON.parse alone": (text) => JSON.parse(text) !== null,
};

const lines = Buffer.from(Array.from({ length: LINES }, (_, i) => `${texts[i % MESSAGES]}\n`).join(""));
const each = (judge) => () => {
  let valid = 0;
  for (let start = 0; start < lines.length; ) {
    const end = lines.indexOf(10, start);
    if (judge(JSON.parse(lines.toString("utf8", start, end)))) valid++;
    start = end + 1;
  }
  return valid;
};
const many = {
  "skip-client validateLines": () => validateLines("key", lines).valid,
  "JSON.parse + ajv a line, strict schema": each(strict),
  "JSON.parse + ajv a line, published schema": each(loose),
};

function best(rounds, candidates, times, run) {
  const found = {};
  for (let round = 0; round < rounds; round++) {
    for (const [name, candidate] of Object.entries(candidates)) {
      const begun = process.hrtime.bigint();
      if (run(candidate) !== times) throw new Error(`${name}: a message is not valid`);
      const each = Number(process.hrtime.bigint() - begun) / times;
      found[name] = Math.min(found[name] ?? Number.POSITIVE_INFINITY, each);
    }
  }
  return found;
}

function table(title, found) {
  console.log(`\n${title}`);
  const [ours] = Object.values(found);
  for (const [name, value] of Object.entries(found)) {
    console.log(`  ${name.padEnd(44)} ${value.toFixed(0).padStart(6)} ns  ${(value / ours).toFixed(2).padStart(6)}`);
  }
}

const repeat = (judge) => {
  let valid = 0;
  for (let i = 0; i < 40; i++) for (const text of texts) if (judge(text)) valid++;
  return valid;
};
table("one key message, string in, verdict out", best(20, single, 40 * MESSAGES, repeat));
table(
  `${LINES} lines in one buffer, for each line`,
  best(6, many, LINES, (run) => run()),
);

const start = (code) => {
  const times = Array.from({ length: 15 }, () => {
    const begun = process.hrtime.bigint();
    spawnSync("node", ["--input-type=module", "-e", code], { cwd: fileURLToPath(new URL("..", import.meta.url)) });
    return Number(process.hrtime.bigint() - begun) / 1e6;
  });
  return Math.min(...times);
};
const bare = start("");
const ours = start('import "skip-client"');
console.log(
  `\nstart of node: ${bare.toFixed(1)} ms; with the import: ${ours.toFixed(1)} ms (${(ours - bare).toFixed(1)} more)`,
);

const script = readFileSync(new URL("../dist/index.js", import.meta.url));
const gzip = gzipSync(script, { level: 9 }).length;
console.log(`default import: ${script.length} bytes, ${gzip} gzip, ${brotliCompressSync(script).length} brotli`);
const dist = new URL("../../dist/", import.meta.url);
for (const name of (await readdir(dist)).filter((name) => name.endsWith(".tgz"))) {
  console.log(`${name}: ${statSync(new URL(name, dist)).size} bytes`);
}
