/** No part of a message remains in the memory of the WebAssembly. */
import assert from "node:assert/strict";
import { test } from "node:test";

const MARKER = "5eC2e7".repeat(10) + "abcd";

/** Another copy of the package that exposes its memories: one for each start of the core. */
async function withMemory() {
  const { Instance } = WebAssembly;
  const instances = [];
  WebAssembly.Instance = class extends Instance {
    constructor(...parts) {
      super(...parts);
      instances.push(this);
    }
  };
  const skip = await import(`../dist/main.js?${Math.random()}`);
  skip.isValid("key", "");
  WebAssembly.Instance = Instance;
  return { skip, instances, held: () => Buffer.from(instances[0].exports.memory.buffer) };
}

test("a trap ends an instance: its memory is wiped, and the next call starts another", async () => {
  const { skip, instances } = await withMemory();
  const [first] = instances;
  const text = `{"keyId":"00112233445566778899aabbccddeeff","key":"${MARKER}"}`;
  const { validate } = skip;
  const views = Object.getPrototypeOf(Uint8Array.prototype);
  const { set } = views;
  // an error of the engine itself, when the message is already in the core's memory
  views.set = function (...parts) {
    set.apply(this, parts);
    throw new WebAssembly.RuntimeError("unreachable");
  };
  try {
    assert.throws(() => validate("key", Buffer.from(text)), WebAssembly.RuntimeError);
  } finally {
    views.set = set;
  }
  assert.equal(Buffer.from(first.exports.memory.buffer).indexOf(MARKER.slice(0, 16)), -1);
  assert.deepEqual(validate("key", text).valid, true);
});

test("messages are wiped after use, whether or not they are valid", async () => {
  const { skip, held } = await withMemory();
  const { buildRequest, isValid, guessKind, parseResponse, validate, validateLines } = skip;
  const good = `{"keyId":"00112233445566778899aabbccddeeff","key":"${MARKER}"}`;
  const long = (text) => `${text.slice(0, -1)},"x":"${"y".repeat(100_000)}","z":"${MARKER}"}`;
  const attempt = (call) => {
    try {
      call();
    } catch (error) {
      assert.equal(error.name, "SkipError");
    }
  };
  const texts = [good, good.slice(1), `${good}\ud800${MARKER}`, `${good}ä`, `{"${MARKER}":1,"${MARKER}":2}`];
  for (const text of [...texts, ...texts.map(long), JSON.parse(good)]) {
    for (const kind of ["capabilities", "key", "entropy"]) {
      validate(kind, text);
      isValid(kind, text);
      attempt(() => validateLines(kind, `${text}\n${text}`));
    }
    guessKind(text);
    attempt(() => validate("keys", text));
    attempt(() => validate("key", text, { schema: "loose" }));
    for (const request of [
      buildRequest({ kind: "newKey", remote: "Bob" }),
      buildRequest({ kind: "newKey", remote: "Bob", size: 8 }),
      buildRequest({ kind: "keyById", remote: "Bob", keyId: "00" }),
      buildRequest({ kind: "entropy" }),
      { kind: "newKey", remote: "*" },
    ]) {
      for (const status of [200, 500]) attempt(() => parseResponse(request, status, {}, text));
    }
    const bytes = held();
    assert.ok(bytes.length > 65_536);
    for (let at = 0; at + 16 <= MARKER.length; at += 16) {
      assert.equal(bytes.indexOf(MARKER.slice(at, at + 16)), -1, "a text is left");
      assert.equal(bytes.indexOf(Buffer.from(MARKER.slice(at, at + 16), "hex")), -1, "a key is left");
    }
  }
});
