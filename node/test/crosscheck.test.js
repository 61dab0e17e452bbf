/**
 * Compares our verdicts with those of ajv, Python's jsonschema and Rust's jsonschema, for every vector and 10,000
 * generated messages.
 *
 * The only differences allowed are those in STRICTER, for rules that a schema cannot express. Each of them must occur.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import Ajv2020 from "ajv/dist/2020.js";
import AjvDraft04 from "ajv-draft-04";
import { schemas, validate } from "skip-client";
import { body, cases, KINDS, MESSAGE_WORDS } from "./vectors.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PYTHON = `${ROOT}/.venv/bin/python`;
const STYLES = ["strict", "asPublished"];
const GENERATED = 10_000;

/** Why a message is invalid here but valid for a schema, by the code of the problem. */
const STRICTER = {
  duplicate_member: "a JSON parser keeps one of two members, and the schema sees only that",
  escaped: "the schema sees the text without its escapes",
  not_integer: "256.0 is an integer in 2020-12; draft-04 means one without a fraction",
  too_short: "no schema compares randomStr with minentropy",
  weak_key: "no schema compares the key with its keyId",
  too_long: "a schema counts characters, the limits are bytes",
};

function ours(kind, style, text) {
  const { valid, problems } = validate(kind, text, { schema: style === "strict" ? "strict" : "as-published" });
  return { valid, codes: problems.filter((p) => p.severity === "error").map((p) => p.code) };
}

/** Pseudorandom numbers, the same in every run. */
function random(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function* generated() {
  const below = random(20250903);
  const one = (list) => list[below(list.length)];
  const hex = (length) => Array.from({ length }, () => one("0123456789abcdefABCDEF")).join("");
  const text = () =>
    one([
      "",
      "Bob",
      "KP_*_LOC1",
      "a[b",
      "ü".repeat(below(140)),
      "x".repeat(below(300)),
      "a\u0001",
      "\u007f",
      "🔑",
      "a\n",
    ]);
  const odd = () => one([null, true, 7, -1, 1.5, [], {}, "", "zz", [1], { a: 1 }]);
  const long = (length) => hex(64).repeat(257).slice(0, length);
  const digits = () =>
    one([
      () => hex(64),
      () => hex(32),
      () => hex(2 * below(40)),
      () => hex(below(40)),
      () => "0".repeat(below(40)),
      () => "f".repeat(64),
      () => `${hex(8)}\n`,
      () => long(16_384 + 2 * below(3)),
      odd,
    ])();
  const members = {
    key: () => ({ keyId: one([hex(32), long(2 * below(300)), digits()]), key: digits() }),
    entropy: () => ({
      randomStr: digits(),
      minentropy: one([256, 128, 8, 1, 0, -8, 65_536, 65_537, 1.5, "256", odd()]),
    }),
    capabilities: () => ({
      entropy: one([true, false, odd()]),
      key: one([true, false, true, odd()]),
      algorithm: one(["PRF", text(), "x".repeat(1020 + below(8)), odd()]),
      localSystemID: one(["Alice", text(), odd()]),
      remoteSystemID: one([["Bob"], Array.from({ length: below(4) }, text), [text(), odd()], odd()]),
    }),
  };
  for (let i = 0; i < GENERATED; i++) {
    const kind = KINDS[i % KINDS.length];
    const message = members[kind]();
    if (below(8) === 0) delete message[one(Object.keys(message))];
    if (below(8) === 0) message[one(["note", "x", "keyid"])] = odd();
    let json = JSON.stringify(below(100) === 0 ? odd() : message);
    // what only exists in the text of a message
    if (below(20) === 0) json = json.replace(/"minentropy":(\d+)(?=[,}])/, '"minentropy":$1.0');
    if (below(30) === 0)
      json = json.replace(/"(key|randomStr)":"(\w)/, (_, name, c) => `"${name}":"\\u00${c.charCodeAt(0).toString(16)}`);
    if (below(30) === 0) json = json.replace(/^\{(.+)\}$/, '{"key":true,$1}');
    yield { kind, text: json };
  }
}

function* messages() {
  for (const kind of KINDS) {
    for (const one of cases(kind, MESSAGE_WORDS)) {
      const text = body(one).toString();
      // other parsers refuse or change what is not JSON or not text in their language; and each line must be one message
      if (!("body" in one) || one.errors.includes(" syntax") || /\\ud[89a-f]|1e400/i.test(text)) continue;
      // serde_json stops at 127 levels
      if ((text.match(/[[{]/g) ?? []).length > 100) continue;
      yield { kind, text: text.trim().replace(/[\r\n\t]+/g, " ") };
    }
  }
  yield* generated();
}

function verdicts(command, args, lines) {
  const env = { ...process.env };
  const options = { cwd: ROOT, env, input: lines.join("\n"), encoding: "utf8", maxBuffer: 1 << 28 };
  const { status, stdout, stderr, error } = spawnSync(command, args, options);
  assert.equal(status, 0, `${command}: ${stderr || error}`);
  const found = stdout
    .trim()
    .split("\n")
    .map((word) => word === "true");
  assert.equal(found.length, lines.length);
  return found;
}

function compare(name, theirs, all, mine) {
  const differences = new Map();
  all.forEach(({ kind, style, text }, i) => {
    if (theirs[i] === mine[i].valid) return;
    assert.ok(theirs[i], `${name} says invalid, and we say valid: ${kind} ${style} ${text.slice(0, 300)}`);
    const known = mine[i].codes.find((code) => code in STRICTER);
    assert.ok(known, `${name} says valid, and we say ${mine[i].codes}: ${kind} ${style} ${text.slice(0, 300)}`);
    differences.set(known, (differences.get(known) ?? 0) + 1);
  });
  return differences;
}

const listed = [];
for (const { kind, text } of messages()) for (const style of STYLES) listed.push({ kind, style, text });
const mine = listed.map(({ kind, style, text }) => ours(kind, style, text));
const lines = listed.map(({ kind, style, text }) => `${kind} ${style} ${text}`);

function report(t, name, differences) {
  for (const [code, times] of differences) t.diagnostic(`${name}: ${times} differ by ${code}: ${STRICTER[code]}`);
  assert.ok(mine.filter((verdict) => verdict.valid).length > 1000, "enough valid messages");
  assert.ok(mine.filter((verdict) => !verdict.valid).length > 1000, "enough invalid messages");
  assert.deepEqual(new Set(differences.keys()), new Set(Object.keys(STRICTER)), "each reason occurs, and no other");
}

test("ajv", (t) => {
  const validators = Object.fromEntries(
    KINDS.map((kind) => {
      const strict = new Ajv2020().compile(schemas[kind].strict);
      return [kind, { strict, asPublished: new AjvDraft04({ strict: false }).compile(schemas[kind].asPublished) }];
    }),
  );
  const theirs = listed.map(({ kind, style, text }) => validators[kind][style](JSON.parse(text)));
  report(t, "ajv", compare("ajv", theirs, listed, mine));
});

test("Rust's jsonschema", (t) => {
  const run = ["run", "--locked", "--quiet", "--package", "skip-client"];
  const theirs = verdicts("cargo", [...run, "--example", "schema_verdicts"], lines);
  report(t, "Rust", compare("Rust", theirs, listed, mine));
});

const skip = existsSync(PYTHON) || process.env.CI ? false : ".venv is missing; hint: make test-node";
test("Python's jsonschema", { skip }, (t) => {
  const theirs = verdicts(PYTHON, ["node/test/schema_verdicts.py"], lines);
  report(t, "Python", compare("Python", theirs, listed, mine));
});
