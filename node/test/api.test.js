import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { inspect } from "node:util";
import * as skip from "skip-client";
import {
  buildRequest,
  errorCodes,
  exportFormats,
  guessKind,
  ikev2,
  isKeyMessage,
  isValid,
  matchesRemote,
  parseResponse,
  SkipError,
  schemas,
  standard,
  validate,
  validateKey,
  validateLines,
} from "skip-client";

const KEY = "ad229dfb8a276e74c1f3b6c09349a69fb2fed73c541270663f0e5cbbfb031670";
const GOOD = `{"keyId": "1726e9ae76234fb1dd1283d4dca1911e", "key": "${KEY}"}`;
const misuse = { name: "SkipError", code: "invalid_argument", advice: "no" };

test("a problem has a location, a code, a severity and a section", () => {
  assert.deepEqual(validateKey('{"keyId": "00"}'), {
    valid: false,
    problems: [
      { path: "/key", code: "missing_member", message: "is missing", severity: "error", section: "4.2" },
      {
        path: "/keyId",
        code: "length",
        message: "has not the default length of 128 bits: some key providers and devices want that",
        severity: "warning",
        section: "4.2.1",
      },
    ],
  });
});

test("parsed values can be validated too", () => {
  assert.deepEqual(validateKey(JSON.parse(GOOD)), { valid: true, problems: [] });
  assert.equal(validateKey({ keyId: 7 }).valid, false);
  for (const value of [null, 7, true, []]) {
    assert.deepEqual(
      validateKey(value).problems.map((p) => p.code),
      ["wrong_type"],
    );
  }
  const circle = {};
  circle.itself = circle;
  for (const value of [undefined, () => 1, Symbol("key"), 7n, { minentropy: 7n }, circle]) {
    assert.throws(() => validateKey(value), misuse);
  }
});

test("half a surrogate pair makes a message invalid, and its location is reported", () => {
  const problems = (text) => validateKey(text).problems.map((p) => `${p.code}: ${p.message}`);
  assert.deepEqual(problems('{"keyId":\n"ä\ud800", "key": ""}'), ["syntax: line 2, column 3: the text is not UTF-8"]);
  assert.deepEqual(problems(`"${"x".repeat(70_000)}\udc00"`), ["syntax: line 1, column 70002: the text is not UTF-8"]);
  assert.equal(isValid("key", `${GOOD.slice(0, -1)}, "x": "\u{1f511}"}`), true);
});

test("long texts and bytes are validated like short ones", () => {
  for (const length of [21_000, 22_000, 65_536, 70_000, 1_000_000]) {
    const text = `${GOOD.slice(0, -1)}, "x": "${"y".repeat(length)}"}`;
    assert.deepEqual(validateKey(text), { valid: true, problems: [] });
    assert.deepEqual(validateKey(Buffer.from(text)), { valid: true, problems: [] });
    assert.equal(validateKey(`${text}]`).valid, false);
    assert.deepEqual(validateKey(GOOD), { valid: true, problems: [] });
  }
});

test("lines are counted from 1, including blank ones, across all parts of a large text", () => {
  assert.deepEqual(validateLines("key", ""), { lines: 0, valid: 0, invalid: [] });
  const bad = '{"keyId": "00", "key": 7}';
  const small = validateLines("key", `${GOOD}\n\n \r\n${bad}\r\n${GOOD}`);
  assert.deepEqual([small.lines, small.valid, small.invalid.map((one) => one.line)], [3, 2, [4]]);
  const many = Array.from({ length: 5000 }, (_, i) => (i % 1000 === 999 ? bad : i % 1000 === 1 ? "" : GOOD));
  many[2500] = `${GOOD.slice(0, -1)}, "x": "${"y".repeat(200_000)}"}`;
  many[2501] = `${bad.slice(0, -1)}, "x": "${"y".repeat(200_000)}"}`;
  for (const input of [many.join("\n"), Buffer.from(`${many.join("\n")}\n`)]) {
    const { lines, valid, invalid } = validateLines("key", input);
    assert.deepEqual([lines, valid], [4995, 4989]);
    assert.deepEqual(
      invalid.map((one) => one.line),
      [1000, 2000, 2502, 3000, 4000, 5000],
    );
    assert.deepEqual(invalid[2].problems, validateKey(many[2501]).problems);
  }
  assert.throws(() => validateLines("key", [GOOD]), misuse);
});

test("the kind of a message is guessed from its members", () => {
  assert.equal(guessKind('{"key": true}'), "capabilities");
  assert.equal(guessKind({ minentropy: 1 }), "entropy");
  assert.equal(guessKind('{"keyId": "00", '), "key");
  assert.equal(guessKind("[]"), null);
});

test("arguments of other types are refused", () => {
  for (const call of [
    () => validate("keys", GOOD),
    () => validate(undefined, GOOD),
    () => validate("key", GOOD, { strict: false }),
    () => validate("key", GOOD, { schema: "loose" }),
    () => matchesRemote("KP_*", "KP_1"),
    () => matchesRemote(["\ud800"], "a"),
    () => matchesRemote([7], "a"),
    () => matchesRemote(["a"], 7),
    () => buildRequest({ kind: "new_key", remote: "Bob" }),
    () => buildRequest(undefined),
    () => buildRequest({ kind: "newKey", remote: "Bob", bits: 256 }),
    () => buildRequest({ kind: "newKey", remote: "Bob", size: "256" }),
    () => buildRequest({ kind: "newKey", remote: "Bob", size: 256.5 }),
    () => buildRequest({ kind: "newKey", remote: "Bob", size: Number.NaN }),
    () => buildRequest({ kind: "newKey" }),
    () => buildRequest({ kind: "capabilities", lenient: 1 }),
    () => parseResponse(buildRequest({ kind: "entropy" }), "200", {}, ""),
    () => parseResponse(buildRequest({ kind: "entropy" }), 65_736, {}, ""),
    () => parseResponse(buildRequest({ kind: "entropy" }), 200, undefined, ""),
    () => parseResponse(buildRequest({ kind: "entropy" }), 200, {}, {}),
    () => parseResponse({ kind: "other" }, 200, {}, ""),
    () => ikev2.encodeUsePpk({ nextPayload: 256 }),
    () => ikev2.encodeUsePpk({ localSystemId: "" }),
    () => ikev2.decodeUsePpk("00"),
    () => ikev2.encodePpkIdentity({ keyId: "x", octets: true, lenient: true }),
  ]) {
    assert.throws(call, misuse, String(call));
  }
});

test("a request says what to send, and cannot be changed", () => {
  const request = buildRequest({ kind: "newKey", remote: "Bob", size: 256 });
  assert.deepEqual(request, {
    kind: "newKey",
    remote: "Bob",
    size: 256,
    method: "GET",
    target: "/key?remoteSystemID=Bob&size=256",
    headers: { accept: "application/json", "cache-control": "no-store" },
  });
  assert.ok(Object.isFrozen(request));
});

const JSON_TYPE = { "Content-Type": "application/json" };

test("replies are parsed", () => {
  const request = buildRequest({ kind: "newKey", remote: "Bob", size: 256 });
  const key = parseResponse(request, 200, JSON_TYPE, Buffer.from(GOOD));
  assert.equal(key.keyId, "1726e9ae76234fb1dd1283d4dca1911e");
  assert.equal(key.bits, 256);
  assert.equal(key.hex(), KEY);
  assert.deepEqual(key.bytes, new Uint8Array(Buffer.from(KEY, "hex")));
  assert.deepEqual(key.warnings, []);
  const byId = buildRequest({ kind: "keyById", keyId: "1726E9AE76234FB1DD1283D4DCA1911E", remote: "Alice" });
  const same = parseResponse(byId, 200, new Headers(JSON_TYPE), GOOD);
  assert.equal(same.keyId, byId.keyId);
  assert.ok(key.equals(same));
  const random = parseResponse(buildRequest({ kind: "entropy" }), 200, {}, '{"randomStr": "0A0B", "minentropy": 12}');
  assert.deepEqual([random.bits, random.hex()], [12, "0a0b"]);
  const capabilities = parseResponse(
    buildRequest({ kind: "capabilities" }),
    200,
    { "content-type": ["text/html"] },
    '{"entropy": false, "key": true, "algorithm": "\\"\\u0007", "localSystemID": "A", "remoteSystemID": ["B", "C*"]}',
  );
  assert.deepEqual(
    { ...capabilities, warnings: capabilities.warnings.map((warning) => warning.code) },
    {
      localSystemId: "A",
      remoteSystemIds: ["B", "C*"],
      algorithm: '"\u0007',
      supportsKey: true,
      supportsEntropy: false,
      warnings: ["control_character", "media_type"],
    },
  );
});

const keyOf = (text) => parseResponse(buildRequest({ kind: "newKey", remote: "Bob" }), 200, {}, text);

test("a wiped secret cannot be read, exported or compared", () => {
  const [key, other] = [keyOf(GOOD), keyOf(GOOD)];
  const entropy = parseResponse(buildRequest({ kind: "entropy" }), 200, {}, '{"randomStr": "0A0B", "minentropy": 12}');
  const { bytes } = key;
  const shown = [key.keyId, key.bits, key.fingerprint];
  key.wipe();
  entropy[Symbol.dispose]();
  assert.ok(bytes.every((byte) => byte === 0));
  for (const call of [
    () => key.bytes,
    () => key.hex(),
    () => key.export("wireguard"),
    () => key.equals(other),
    () => other.equals(key),
    () => key.equals(key),
    () => entropy.bytes,
    () => entropy.hex(),
  ]) {
    assert.throws(call, misuse);
  }
  assert.deepEqual([key.keyId, key.bits, key.fingerprint], shown);
  for (const something of [undefined, null, {}, "x"]) assert.throws(() => other.equals(something), misuse);
});

test("a key has a fingerprint, and can be exported in every format of the core", () => {
  const key = keyOf(`{"keyId": "00ff", "key": "${"ab".repeat(32)}"}`);
  assert.match(key.fingerprint, /^[0-9a-f]{8}$/);
  assert.notEqual(key.fingerprint, keyOf(GOOD).fingerprint);
  const [hex, base64] = ["ab".repeat(32), "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s="];
  const node = "set vpn ipsec authentication ppk skip-00ff";
  const forms = {
    hex,
    base64,
    strongswan: `secrets {\n  ppk-00ff {\n    id = 00ff\n    secret = 0x${hex}\n  }\n}\n`,
    libreswan: `: PPKS "00ff" 0x${hex}\n`,
    vyos: `${node} id '00ff'\n${node} secret-type 'hex'\n${node} secret '${hex}'\n`,
    wireguard: base64,
    wpa: `mka_cak=${hex}\nmka_ckn=00ff\n`,
    cisco: `ppk manual id 00ff key hex ${hex}\n`,
  };
  for (const format of exportFormats) {
    const exported = key.export(format);
    if (format === "raw") assert.deepEqual(exported, key.bytes);
    else assert.equal(Buffer.from(exported).toString(), forms[format], format);
  }
  assert.deepEqual(exportFormats.toSorted(), [...Object.keys(forms), "raw"].sort());
  const short = keyOf(`{"keyId": "SKIP-1", "key": "${"ab".repeat(16)}"}`.replace("SKIP-1", "00"));
  assert.throws(() => short.export("wireguard"), misuse);
  for (const format of ["HEX", "toString", undefined, 7]) assert.throws(() => key.export(format), misuse);
});

test("every misuse is a SkipError, and a Response or a promise is not validated as {}", async () => {
  const request = buildRequest({ kind: "entropy" });
  for (const call of [
    () => buildRequest({ kind: "toString" }),
    () => buildRequest({ kind: "__proto__" }),
    () => buildRequest(null),
    () => buildRequest("newKey"),
    () => buildRequest({ kind: "newKey", remote: "Bob", sise: 256 }),
    () => validate("toString", GOOD),
    () => validate("key", GOOD, null),
    () => validate("key", GOOD, "strict"),
    () => validate("key", GOOD, { lennient: true }),
    () => validate("key", GOOD, { lenient: 1 }),
    () => validateKey(new Response(GOOD)),
    () => validateKey(Promise.resolve(GOOD)),
    () => validateKey(new Blob([GOOD])),
    () => validateKey(new Map()),
    () => validateKey(new (class Message {})()),
    () => guessKind(new Response(GOOD)),
    () => validateLines("key", null),
    () => validateLines("key", GOOD, null),
    () => matchesRemote(null, "a"),
    () => matchesRemote(7, "a"),
    () => parseResponse(null, 200, {}, GOOD),
    () => parseResponse({ kind: "toString" }, 200, {}, GOOD),
    () => parseResponse(request, 200, null, GOOD),
    () => parseResponse(request, 200, {}, null),
    () => parseResponse(request, 200, {}, new Response(GOOD)),
    () => ikev2.encodeUsePpk(null),
    () => ikev2.encodeUsePpk({ localSystemID: "x" }),
    () => ikev2.encodePpkIdentity(null),
    () => ikev2.encodePpkIdentity({ keyId: "00", asOctets: "yes" }),
    () => ikev2.decodeUsePpk("x"),
  ]) {
    assert.throws(call, misuse, String(call));
  }
  assert.equal(isKeyMessage(new Response(GOOD)), false);
  assert.equal(isKeyMessage(Promise.resolve()), false);
  assert.equal(validateKey(Object.create(null)).valid, false);
});

test("lenient rules accept deviations of real Key Providers", () => {
  const odd = `{"keyId": "SKIP-1", "key": "${KEY}"}`;
  assert.equal(validateKey(odd).valid, false);
  assert.equal(validateKey(odd, { lenient: true }).valid, true);
  assert.equal(validateKey(odd, { lenient: false }).valid, false);
});

test("messages and replies above the limits are refused, and the next one is validated", () => {
  const huge = Buffer.alloc(16 * 1024 * 1024 + 1, "x");
  for (const message of [huge, huge.toString()]) {
    assert.throws(() => validateKey(message), misuse);
    assert.throws(() => validateLines("key", message), misuse);
    assert.throws(() => guessKind(message), misuse);
  }
  assert.equal(validateKey(huge.subarray(1)).valid, false);
  const request = buildRequest({ kind: "newKey", remote: "Bob" });
  const long = `${GOOD.slice(0, -1)}, "x": "${"y".repeat(65_536)}"}`;
  for (const body of [long, Buffer.from(long)]) {
    assert.throws(() => parseResponse(request, 200, {}, body), { name: "SkipError", code: "response_too_large" });
  }
  assert.deepEqual(validateKey(GOOD), { valid: true, problems: [] });
});

test("a stack overflow inside the core does not break it for the rest of the process", () => {
  const deep = (levels) => (levels === 0 ? validateKey(`${"[".repeat(100)}`) && 0 : deep(levels - 1));
  let overflows = 0;
  // at each depth near the end of the stack, so that some overflow happens inside the WebAssembly
  for (let levels = 100; levels < 20_000; levels = Math.ceil(levels * 1.01)) {
    try {
      deep(levels);
    } catch (error) {
      assert.ok(error instanceof RangeError, error.stack);
      overflows++;
    }
    assert.deepEqual(validateKey(GOOD), { valid: true, problems: [] });
  }
  assert.ok(overflows > 0);
});

test("invalid replies are errors with a code and a hint", () => {
  const request = buildRequest({ kind: "newKey", remote: "Bob", size: 128 });
  const other = buildRequest({ kind: "keyById", keyId: "00", remote: "Bob" });
  for (const [code, call] of [
    ["size_mismatch", () => parseResponse(request, 200, {}, GOOD)],
    ["key_id_mismatch", () => parseResponse(other, 200, {}, GOOD)],
    ["malformed_response", () => parseResponse(request, 200, {}, GOOD.slice(1))],
    ["malformed_response", () => parseResponse(request, 200, { "CONTENT-ENCODING": "gzip" }, GOOD)],
    ["weak_key", () => parseResponse(request, 200, {}, GOOD.replace(KEY, "0".repeat(32)))],
    ["malformed_response", () => parseResponse(request, 200, {}, GOOD.replace("1726", "zz26"))],
  ]) {
    assert.throws(call, (error) => error instanceof SkipError && error.code === code && error.hint !== "");
  }
  const lenient = buildRequest({ ...{ kind: "newKey", remote: "Bob", size: 256 }, lenient: true });
  assert.equal(parseResponse(lenient, 200, {}, GOOD.replace("1726", "zz26")).bits, 256);
});

test("schemas are shared and frozen, and exported for two dialects", () => {
  assert.equal(schemas.key.strict.$schema, "https://json-schema.org/draft/2020-12/schema");
  assert.equal(schemas.key.asPublished.$schema, "http://json-schema.org/draft-04/schema#");
  assert.throws(() => {
    schemas.key.strict.properties.key.type = "number";
  }, TypeError);
  for (const kind of ["capabilities", "key", "entropy"]) {
    const { jsonSchema, vendor, version } = standard[kind]["~standard"];
    assert.deepEqual([vendor, version], ["skip-client", 1]);
    assert.deepEqual(jsonSchema.input({ target: "draft-2020-12" }), schemas[kind].strict);
    assert.equal(jsonSchema.output({ target: "draft-07" }).$schema, "http://json-schema.org/draft-07/schema#");
    assert.throws(() => jsonSchema.input({ target: "openapi-3.0" }), misuse);
    assert.throws(() => jsonSchema.input({ target: "toString" }), misuse);
    const core = new URL(`../../core/src/schema/${kind}`, import.meta.url);
    assert.deepEqual(schemas[kind].strict, JSON.parse(readFileSync(`${core.pathname}.strict.json`, "utf8")));
    assert.deepEqual(schemas[kind].asPublished, JSON.parse(readFileSync(`${core.pathname}.as-published.json`, "utf8")));
  }
});

test("a standard schema accepts text and values, and returns issues", () => {
  const { validate } = standard.entropy["~standard"];
  const value = { randomStr: "0a", minentropy: 8 };
  assert.deepEqual(validate(value), { value });
  assert.equal(validate(value).value, value);
  assert.deepEqual(validate(JSON.stringify(value)), { value });
  assert.deepEqual(validate({ randomStr: "0a" }).issues, [{ message: "is missing", path: ["minentropy"] }]);
  assert.equal(validate(undefined).issues.length, 1);
  assert.equal(validate({ minentropy: 1n }).issues.length, 1);
});

test("the error codes match the core, and each can be created", () => {
  const core = readFileSync(new URL("../../core/src/error/code.rs", import.meta.url), "utf8");
  const names = [...core.matchAll(/^ {12}Self::\w+ => "([a-z_]+)",$/gm)].map((found) => found[1]);
  assert.equal(names.length, 19 + 3, "codes and advices");
  assert.deepEqual([...errorCodes], names.slice(0, 19));
  for (const code of errorCodes) {
    const error = new SkipError({ code, message: "m", hint: "h", advice: "new_key", status: 500, providerText: "t" });
    assert.deepEqual(
      [error.name, error.code, error.message, error.hint, error.advice, error.status, error.providerText],
      ["SkipError", code, "m", "h", "new_key", 500, "t"],
    );
    assert.doesNotMatch(inspect(error) + JSON.stringify(error), /providerText|"t"/);
  }
});

test("the exports are the documented ones", () => {
  const types = readFileSync(new URL("../dist/index.d.ts", import.meta.url), "utf8");
  for (const name of Object.keys(skip)) assert.match(types, new RegExp(`\\b${name}\\b`));
  assert.equal(isKeyMessage(GOOD), false);
});
