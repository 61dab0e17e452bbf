/** Puts a marker wherever a secret can be, and breaks the messages in every way: the marker must never be shown. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { buildRequest, parseResponse, standard, validate, validateLines } from "skip-client";
import { KINDS } from "./vectors.js";

const MARKER = "ad229dfb8a276e74c1f3b6c09349a69fb2fed73c541270663f0e5cbbfb031670";

function shows(shown, length = 8) {
  for (let at = 0; at + length <= MARKER.length; at++) {
    if (shown.toLowerCase().includes(MARKER.slice(at, at + length))) return true;
  }
  return false;
}

function* broken() {
  const whole = `{"keyId":"00112233445566778899aabbccddeeff","key":"${MARKER}"}`;
  for (let at = 0; at <= whole.length; at++) {
    yield whole.slice(0, at);
    for (const c of ["", '"', "\\", "x", "{", ",", "\0", "\ud800", "\\ud800"]) {
      yield whole.slice(0, at) + c + whole.slice(at + 1);
    }
  }
  yield `{"${MARKER}":1,"${MARKER}":2,"x":{"${MARKER}":1,"${MARKER}":1}}`;
  yield `{"randomStr":"${MARKER}","minentropy":"${MARKER}"}`;
  yield `{"randomStr":["${MARKER}"],"minentropy":${BigInt(`0x${MARKER}`)}}`;
  yield `{"entropy":"${MARKER}","localSystemID":"${MARKER}\\u0000","remoteSystemID":["${MARKER}\\n"]}`;
}

test("problems, issues and errors show no secret", () => {
  const requests = [
    buildRequest({ kind: "newKey", remote: "Bob", size: 512 }),
    buildRequest({ kind: "keyById", remote: "Bob", keyId: "01" }),
    buildRequest({ kind: "entropy", bits: 1024 }),
    buildRequest({ kind: "capabilities" }),
  ];
  let judged = 0;
  for (const text of broken()) {
    for (const kind of KINDS) {
      const found = [
        validate(kind, text),
        validateLines(kind, text),
        standard[kind]["~standard"].validate(text).issues,
      ];
      assert.ok(!shows(JSON.stringify(found)));
      judged++;
    }
    for (const request of requests) {
      for (const status of [200, 400, 500]) {
        try {
          parseResponse(request, status, { "content-type": MARKER }, text);
        } catch (error) {
          assert.equal(error.name, "SkipError");
          assert.ok(!shows(`${error} ${error.stack} ${error.hint} ${inspect(error)} ${JSON.stringify(error)}`));
          // runs of fewer than 16 characters are not redacted in the Key Provider's text
          assert.ok(!shows(error.providerText ?? "", 16));
        }
      }
    }
  }
  assert.ok(judged > 1000);
});

test("values that are not JSON are refused without being shown", () => {
  const value = { [MARKER]: 1n, toJSON: () => ({ [MARKER]: 1n }) };
  assert.throws(
    () => validate("key", value),
    (error) => !shows(inspect(error)),
  );
});

test("keys and random bytes are never shown", () => {
  const key = parseResponse(
    buildRequest({ kind: "newKey", remote: "Bob" }),
    200,
    {},
    `{"keyId":"0123","key":"${MARKER}"}`,
  );
  const entropy = parseResponse(
    buildRequest({ kind: "entropy" }),
    200,
    {},
    `{"randomStr":"${MARKER}","minentropy":256}`,
  );
  for (const secret of [key, entropy]) {
    assert.ok(shows(secret.hex()), "the marker can be found");
    const bytes = Array.from(secret.bytes.subarray(0, 4)).join(", ");
    const shown = `${inspect(secret, { showHidden: true, depth: 9 })} ${JSON.stringify(secret)} ${String(secret)}`;
    assert.ok(!shows(shown) && !shown.includes(bytes), shown);
    assert.throws(() => structuredClone(secret).hex());
    const held = secret.bytes;
    secret[Symbol.dispose]();
    assert.ok(held.every((byte) => byte === 0));
  }
});
