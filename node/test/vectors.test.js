import assert from "node:assert/strict";
import { test } from "node:test";
import {
  buildRequest,
  guessKind,
  ikev2,
  isCapabilitiesMessage,
  isEntropyMessage,
  isKeyMessage,
  isValid,
  matchesRemote,
  parseResponse,
  SkipError,
  standard,
  validate,
  validateCapabilities,
  validateEntropy,
  validateKey,
  validateLines,
} from "skip-client";
import { body, cases, KINDS, MESSAGE_WORDS } from "./vectors.js";

const OF_KIND = { capabilities: validateCapabilities, key: validateKey, entropy: validateEntropy };
const GUARDS = { capabilities: isCapabilitiesMessage, key: isKeyMessage, entropy: isEntropyMessage };

for (const kind of KINDS) {
  test(`${kind} messages are validated as in the vectors`, () => {
    for (const one of cases(kind, MESSAGE_WORDS)) {
      const bytes = body(one);
      const { valid, problems } = validate(kind, bytes);
      for (const severity of ["error", "warning"]) {
        const found = problems.filter((p) => p.severity === severity).map((p) => `${p.path} ${p.code}`);
        assert.deepEqual(new Set(found), new Set(one[`${severity}s`]), one.name);
      }
      assert.equal(valid, one.valid, one.name);
      assert.equal(isValid(kind, bytes), one.valid, one.name);
      assert.equal(isValid(kind, bytes, { lenient: true }), one.lenient, one.name);
      assert.equal(isValid(kind, bytes, { schema: "as-published" }), one.as_published, one.name);
      const inputs = [new Uint8Array(bytes).buffer, new DataView(new Uint8Array(bytes).buffer)];
      if ("body" in one) inputs.push(one.body);
      for (const input of inputs) {
        assert.deepEqual(validate(kind, input), { valid, problems }, one.name);
        assert.deepEqual(OF_KIND[kind](input), { valid, problems }, one.name);
      }
      if (!bytes.includes("\n") && bytes.toString().trim() !== "") {
        const lines = validateLines(kind, Buffer.concat([Buffer.from("\n"), bytes, Buffer.from("\n")]));
        assert.deepEqual([lines.lines, lines.valid], [1, Number(valid)], one.name);
      }
      const result = standard[kind]["~standard"].validate(bytes);
      assert.equal(result.issues === undefined, one.valid, one.name);
      if (one.valid) {
        assert.deepEqual(result.value, JSON.parse(bytes), one.name);
        assert.equal(GUARDS[kind](JSON.parse(bytes)), true, one.name);
        assert.equal(GUARDS[kind](bytes), false, one.name);
        assert.equal(guessKind(bytes), kind, one.name);
      }
    }
  });
}

test("patterns match as in the vectors", () => {
  for (const one of cases("patterns", ["pattern", "matches", "matches_not"])) {
    for (const id of one.matches) assert.equal(matchesRemote([one.pattern], id), true, `${one.name}: ${id}`);
    for (const id of one.matches_not) assert.equal(matchesRemote([one.pattern], id), false, `${one.name}: ${id}`);
  }
});

const REQUESTS = { capabilities: "capabilities", new_key: "newKey", key_by_id: "keyById", entropy: "entropy" };

test("requests are encoded as in the vectors", () => {
  for (const one of cases("requests", ["kind", "remote", "size", "key_id", "lenient", "target", "code"])) {
    const size = one.kind === "entropy" ? { bits: one.size } : { size: one.size };
    const options = { kind: REQUESTS[one.kind], remote: one.remote, keyId: one.key_id, lenient: one.lenient, ...size };
    for (const [name, value] of Object.entries(options)) if (value === undefined) delete options[name];
    if (one.code === undefined) {
      assert.equal(buildRequest(options).target, one.target, one.name);
    } else {
      assert.throws(() => buildRequest(options), { name: "SkipError", code: one.code, advice: "no" }, one.name);
    }
  }
});

test("statuses have the meaning given in the vectors", () => {
  const options = { newKey: { remote: "Bob" }, keyById: { remote: "Bob", keyId: "00" } };
  for (const one of cases("statuses", ["kind", "status", "code", "advice"])) {
    const kind = REQUESTS[one.kind];
    const request = buildRequest({ kind, ...options[kind] });
    const text = '{"detail": "no key ad229dfb8a276e74c1f3b6c09349a69f"}';
    assert.throws(
      () => parseResponse(request, one.status, {}, text),
      (error) => {
        assert.ok(error instanceof SkipError, one.name);
        assert.deepEqual([error.code, error.advice, error.status], [one.code, one.advice, one.status], one.name);
        assert.equal(error.providerText, '{"detail": "no key [redacted]"}');
        return true;
      },
    );
  }
});

test("IKEv2 payloads match the vectors", () => {
  const words = ["payload", "hex", "local_system_id", "key_id", "octets", "next_payload", "error"];
  for (const one of cases("ikev2", words)) {
    const payload = new Uint8Array(Buffer.from(one.hex, "hex"));
    const nextPayload = one.next_payload;
    const decode = { use_ppk: ikev2.decodeUsePpk, ppk_identity: ikev2.decodePpkIdentity }[one.payload];
    if (one.error) {
      assert.throws(() => decode(payload), { code: "invalid_argument" }, one.name);
    } else if (one.payload === "use_ppk") {
      assert.equal(decode(payload).localSystemId, one.local_system_id, one.name);
      assert.deepEqual(ikev2.encodeUsePpk({ localSystemId: one.local_system_id, nextPayload }), payload, one.name);
    } else {
      const octets = "octets" in one;
      const keyId = octets ? one.octets : one.key_id;
      const { identity, ...found } = decode(payload);
      assert.equal(found[octets ? "keyIdOfOctets" : "keyId"], keyId, one.name);
      assert.deepEqual(identity, payload.slice(9), one.name);
      assert.deepEqual(ikev2.encodePpkIdentity({ keyId, asOctets: octets, nextPayload }), payload, one.name);
    }
  }
});
