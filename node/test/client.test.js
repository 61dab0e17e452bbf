/** The client over TLS: with the development Key Providers, and with servers that misbehave in every way. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import tls from "node:tls";
import { inspect } from "node:util";
import { SkipError } from "skip-client";
import { Client } from "skip-client/node";
import { serve } from "./serve.js";
import { cases } from "./vectors.js";

const folder = mkdtempSync(join(tmpdir(), "skip-client-node-"));
let kp;
before(async () => {
  kp = await serve(folder);
});
after(() => {
  kp?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const KEY = "ad229dfb8a276e74c1f3b6c09349a69fb2fed73c541270663f0e5cbbfb031670";
const BODY = `{"keyId":"1726e9ae76234fb1dd1283d4dca1911e","key":"${KEY}"}`;
const HEAD = "HTTP/1.1 200 OK\r\n";
const GOOD = `${HEAD}Content-Length: ${BODY.length}\r\n\r\n${BODY}`;
const misuse = { name: "SkipError", code: "invalid_argument" };

/** A TLS server that replies to each request with `answer`, and records the first lines of all requests. */
async function server(answer, options = {}) {
  const asked = [];
  const certificate = { cert: readFileSync(join(folder, "alice.pem")), key: readFileSync(join(folder, "alice.key")) };
  const listener = tls.createServer({ ...certificate, ...options }, (socket) => {
    let head = "";
    socket.on("error", () => {});
    socket.on("data", (data) => {
      head += data;
      if (!head.endsWith("\r\n\r\n")) return;
      asked.push(head.split("\r\n")[0]);
      answer(socket, head);
      head = "";
    });
  });
  listener.on("tlsClientError", () => {});
  await new Promise((ready) => listener.listen(0, "127.0.0.1", ready));
  const stop = () => new Promise((done) => listener.close(done));
  return { url: `https://127.0.0.1:${listener.address().port}`, asked, stop };
}

/** TLS options with an RSA certificate, made by the system's openssl. */
function rsaServer() {
  const [cert, key] = [join(folder, "rsa.pem"), join(folder, "rsa.key")];
  const subject = ["-subj", "/CN=kp", "-days", "2", "-keyout", key, "-out", cert];
  const made = spawnSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", ...subject]);
  assert.equal(made.status, 0, String(made.stderr));
  const suites = { ciphers: "AES256-SHA256", maxVersion: "TLSv1.2" };
  return { cert: readFileSync(cert), key: readFileSync(key), ...suites };
}

const rsaPin = () => pinOf(join(folder, "rsa.pem"));

function pinOf(file) {
  const { publicKey } = new X509Certificate(readFileSync(file));
  const spki = publicKey.export({ type: "spki", format: "der" });
  return `sha256/${createHash("sha256").update(spki).digest("base64")}`;
}

const client = (url, options) => new Client(url, { ca: kp.ca, checkRemote: false, timeout: 10_000, ...options });

/** The result of requesting a key from a server that writes these parts, and may then end the connection. */
async function reply(parts, { end = true, call = (kp) => kp.newKey("Bob"), options = {} } = {}) {
  const { url, asked, stop } = await server(async (socket) => {
    for (const part of [parts].flat()) {
      socket.write(part);
      await new Promise((next) => setTimeout(next, 5));
    }
    if (end) socket.end();
  });
  const kp = client(url, options);
  try {
    return { key: await call(kp), asked };
  } catch (error) {
    assert.ok(error instanceof SkipError, inspect(error));
    return { error, asked };
  } finally {
    kp.close();
    await stop();
  }
}

test("an exchange, entropy and capabilities with certificates", async () => {
  const alice = new Client(kp.alice.url, { ca: kp.ca, cert: kp.client_cert, key: readFileSync(kp.client_key, "utf8") });
  const bob = new Client([kp.bob.url], { ca: readFileSync(kp.ca) });
  const capabilities = await alice.capabilities();
  assert.equal(capabilities.localSystemId, kp.alice.id);
  assert.equal(await alice.capabilities(), capabilities);
  assert.notEqual(await alice.capabilities({ refresh: true }), capabilities);
  const key = await alice.newKey(kp.bob.id, { size: 512 });
  assert.equal(key.bits, 512);
  const same = await bob.keyById(key.keyId, kp.alice.id);
  assert.ok(key.equals(same) && key.fingerprint === same.fingerprint);
  await assert.rejects(bob.keyById(key.keyId, kp.alice.id), { code: "rejected", advice: "new_key", status: 400 });
  assert.ok((await alice.entropy(384)).bits >= 384);
  assert.ok((await alice.entropy()).bits >= 1);
  const { tlsVersion, cipherSuite, address, warnings } = alice.connection;
  assert.deepEqual([tlsVersion, cipherSuite, warnings], ["TLS 1.3", "TLS_AES_256_GCM_SHA384", []]);
  assert.equal(`https://${address}`, kp.alice.url);
  await assert.rejects(alice.newKey("Nobody"), { code: "unknown_remote", advice: "no" });
  await assert.rejects(alice.newKey("Bob", { size: 7 }), misuse);
});

test("pre-shared keys: a file, an object, a wrong key, a wrong identity, forward secrecy", async () => {
  const [, identity, hex] = /^(.*):([0-9a-f]+)\s*$/.exec(readFileSync(kp.psk, "utf8"));
  const raw = Buffer.from(hex, "hex");
  for (const psk of [
    kp.psk,
    { file: kp.psk, identity },
    { identity, hex },
    { identity, raw },
    { identity, base64: raw.toString("base64") },
  ]) {
    const alice = new Client(kp.alice.psk_url, { psk, forwardSecrecy: true });
    assert.equal((await alice.newKey(kp.bob.id)).bits, 256);
    assert.match(alice.connection.cipherSuite, /^TLS_DHE_PSK_/);
  }
  const other = (more) => new Client(kp.alice.psk_url, more).newKey(kp.bob.id);
  await assert.rejects(other({ psk: { identity, hex: "00".repeat(32) } }), { code: "tls_failed", advice: "no" });
  await assert.rejects(other({ psk: { identity: "nobody", hex } }), { code: "tls_failed" });
  await assert.rejects(other({ ca: kp.ca }), { code: "tls_failed" });
  assert.throws(() => new Client(kp.alice.psk_url, { psk: kp.psk, ca: kp.ca }), misuse);
  assert.throws(() => new Client(kp.alice.psk_url, { psk: kp.psk, tls: "1.3" }), misuse);
});

test("plain PSK is the last resort, gives a warning, and is refused with forwardSecrecy", async () => {
  const psk = { identity: "router", hex: "00112233445566778899aabbccddeeff" };
  const callback = (_, identity) => (identity === "router" ? Buffer.from(psk.hex, "hex") : null);
  const plain = { pskCallback: callback, ciphers: "PSK-AES256-GCM-SHA384", maxVersion: "TLSv1.2" };
  const { url, stop } = await server((socket) => socket.end(GOOD), { ...plain, cert: undefined, key: undefined });
  const kp = new Client(url, { psk, checkRemote: false });
  assert.equal((await kp.newKey("Bob")).hex(), KEY);
  assert.equal(kp.connection.cipherSuite, "TLS_PSK_WITH_AES_256_GCM_SHA384");
  assert.match(kp.connection.warnings[0], /forward secrecy/);
  const strict = new Client(url, { psk, checkRemote: false, forwardSecrecy: true });
  await assert.rejects(strict.newKey("Bob"), { code: "tls_failed" });
  await stop();
});

test("trust: another CA, another name, a pin alone, a pin and a CA, a required client certificate", async () => {
  const pin = pinOf(join(folder, "alice.pem"));
  const { url, stop } = await server((socket) => socket.end(GOOD));
  const ask = (options) => new Client(url, { checkRemote: false, ...options }).newKey("Bob");
  await assert.rejects(ask({ ca: readFileSync(join(folder, "client.pem")) }), { code: "tls_failed" });
  await assert.rejects(ask({ ca: "system" }), { code: "tls_failed" });
  await assert.rejects(ask({ ca: kp.ca, serverName: "kp.example" }), { code: "tls_failed", message: /another name/ });
  assert.equal((await ask({ ca: kp.ca, serverName: "localhost" })).hex(), KEY);
  assert.equal((await ask({ pin })).hex(), KEY);
  assert.equal((await ask({ ca: kp.ca, pin })).hex(), KEY);
  const other = `sha256/${Buffer.alloc(32).toString("base64")}`;
  for (const options of [{ pin: other }, { ca: kp.ca, pin: other }]) {
    await assert.rejects(ask(options), { code: "tls_failed", message: /another public key/ });
  }
  await stop();
  const mutual = await server((socket) => socket.end(GOOD), { requestCert: true, ca: readFileSync(kp.ca) });
  for (const versions of ["1.2", "1.3"]) {
    await assert.rejects(client(mutual.url, { tls: versions }).newKey("Bob"), { code: "tls_failed", advice: "no" });
    const known = client(mutual.url, { tls: versions, cert: kp.client_cert, key: kp.client_key });
    assert.equal((await known.newKey("Bob")).hex(), KEY);
  }
  await mutual.stop();
});

test("replies with every kind of framing are read, and interim replies are skipped", async () => {
  const chunked = `${HEAD}Transfer-Encoding: chunked\r\n\r\n${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`;
  const interim = [100, 102, 103, 104, 199].map((status) => `HTTP/1.1 ${status} x\r\nA: b\r\n\r\n`).join("");
  for (const text of [GOOD, chunked, `${HEAD}\r\n${BODY}`, interim + GOOD, `${GOOD}HTTP/1.1 200 OK\r\n`]) {
    for (const parts of [text, [...text].length < 200 ? [...text] : [text.slice(0, 20), text.slice(20)]]) {
      const { key, error, asked } = await reply(parts);
      assert.equal(key?.hex(), KEY, `${text} ${error}`);
      assert.deepEqual(asked, ["GET /key?remoteSystemID=Bob HTTP/1.1"]);
    }
  }
});

test("each broken reply has its code and advice, and no request is sent twice", async () => {
  const length = (n) => `${HEAD}Content-Length: ${n}\r\n\r\n`;
  const cases = {
    connection_lost: [
      "",
      HEAD,
      `${length(999)}{}`,
      `${HEAD}Transfer-Encoding: chunked\r\n\r\n9\r\n{}`,
      `${HEAD}\r\n{"key":`,
    ],
    malformed_response: [
      "220 mail.example ESMTP\r\n\r\n",
      `${HEAD}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`,
      `${HEAD}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}`,
      `${HEAD}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`,
      `${length(2)}{}`,
    ],
    response_too_large: [
      `${HEAD}${"A: b\r\n".repeat(10_000)}\r\n`,
      `${HEAD}A: ${"b".repeat(100_000)}\r\n\r\n`,
      `${HEAD}${"A: b\r\n".repeat(200)}\r\n`,
      `${length(65_537)}${"b".repeat(65_537)}`,
      `${HEAD}\r\n${"b".repeat(200_000)}`,
    ],
    unexpected_status: [
      "HTTP/1.1 103 x\r\n\r\n".repeat(9) + GOOD,
      "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
      "HTTP/1.1 302 x\r\nLocation: https://127.0.0.1/\r\nContent-Length: 0\r\n\r\n",
    ],
    provider_failed: [`HTTP/1.1 500 x\r\nContent-Length: 9\r\n\r\n{}`, `HTTP/1.1 500 x\r\n\r\n${"<".repeat(99_999)}`],
    size_mismatch: [GOOD.replace(KEY, KEY.slice(16)).replace(`${BODY.length}`, `${BODY.length - 16}`)],
  };
  for (const [code, texts] of Object.entries(cases)) {
    for (const text of texts) {
      const { error, asked } = await reply(text, { call: (kp) => kp.newKey("Bob", { size: 256 }) });
      assert.equal(error?.code, code, `${text.slice(0, 100)}: ${inspect(error)}`);
      assert.equal(
        error.advice,
        ["connection_lost", "provider_failed"].includes(code) ? "new_key" : "no",
        text.slice(0, 100),
      );
      assert.equal(asked.length, 1);
      assert.ok(!inspect(error).includes(KEY.slice(0, 8)));
    }
  }
  const { error } = await reply("", { call: (kp) => kp.entropy() });
  assert.deepEqual([error.code, error.advice], ["connection_lost", "same_request"]);
});

test("one deadline for the whole call: silence, slow replies, endless handshakes", async () => {
  const drip = async (socket) => {
    for (const c of GOOD) {
      socket.write(c);
      await new Promise((next) => setTimeout(next, 40));
    }
  };
  for (const answer of [() => {}, drip, (socket) => socket.write(HEAD)]) {
    const { url, stop } = await server(answer);
    await assert.rejects(client(url, { timeout: 200 }).newKey("Bob"), { code: "timed_out", advice: "new_key" });
    await assert.rejects(client(url).newKey("Bob", { timeout: 200 }), { code: "timed_out", advice: "new_key" });
    await assert.rejects(client(url).entropy(256, { timeout: 200 }), { code: "timed_out", advice: "same_request" });
    await stop();
  }
  const silent = net.createServer((socket) => socket.on("error", () => {}).resume());
  await new Promise((ready) => silent.listen(0, "127.0.0.1", ready));
  const url = `https://127.0.0.1:${silent.address().port}`;
  await assert.rejects(client(url, { connectTimeout: 100 }).newKey("Bob"), {
    code: "timed_out",
    advice: "same_request",
    message: "the TLS handshake did not come in time",
  });
  silent.close();
});

test("AbortSignal and close end a call, with advice that depends on what was sent", async () => {
  const { url, asked, stop } = await server(() => {});
  const started = async (kp, options) => {
    const call = kp.newKey("Bob", options);
    call.catch(() => {});
    for (const before = asked.length; asked.length === before; ) await new Promise((next) => setTimeout(next, 5));
    return call;
  };
  const [one, two, three] = [new AbortController(), new AbortController(), client(url)];
  for (const [kp, options, end] of [
    [client(url, { signal: one.signal }), {}, () => one.abort()],
    [client(url), { signal: two.signal }, () => two.abort()],
    [three, {}, () => three.close()],
  ]) {
    const call = started(kp, options);
    while (asked.length === 0) await new Promise((next) => setTimeout(next, 5));
    await new Promise((next) => setTimeout(next, 20));
    end();
    await assert.rejects(call, { code: "connection_lost", advice: "new_key", message: /cancelled/ });
  }
  await assert.rejects(three.newKey("Bob"), misuse);
  const aborted = { signal: AbortSignal.abort() };
  await assert.rejects(client(url).newKey("Bob", aborted), { code: "connection_lost", advice: "same_request" });
  await stop();
});

test("the next Key Provider is used if the first cannot be reached, and only then", async () => {
  const broken = await server((socket) => socket.end());
  const good = await server((socket) => socket.end(GOOD));
  const closed = net.createServer();
  await new Promise((ready) => closed.listen(0, "127.0.0.1", ready));
  const nobody = `https://127.0.0.1:${closed.address().port}`;
  await new Promise((done) => closed.close(done));
  assert.equal((await client([nobody, good.url]).newKey("Bob")).hex(), KEY);
  await assert.rejects(client(nobody).newKey("Bob"), { code: "connect_failed", advice: "same_request" });
  await assert.rejects(client([broken.url, good.url]).newKey("Bob"), { code: "connection_lost", advice: "new_key" });
  await Promise.all([broken.stop(), good.stop()]);
});

test("a busy Key Provider is asked again only if the caller is willing to wait; a proxy is used if given", async () => {
  const busy = await server((socket) => {
    const again = busy.asked.length > 1;
    socket.end(again ? GOOD : "HTTP/1.1 503 x\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n");
  });
  await assert.rejects(client(busy.url).newKey("Bob"), { code: "busy", status: 503, advice: "same_request" });
  busy.asked.length = 0;
  assert.equal((await client(busy.url, { waitWhenBusy: 1000 }).newKey("Bob")).hex(), KEY);
  const heads = [];
  const proxy = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (data) => {
      heads.push(String(data));
      const [, port] = /^CONNECT 127\.0\.0\.1:(\d+) /.exec(data);
      const peer = net.connect(port, "127.0.0.1", () => socket.write("HTTP/1.1 200 x\r\n\r\n")).on("error", () => {});
      socket.pipe(peer).pipe(socket);
    });
  });
  await new Promise((ready) => proxy.listen(0, "127.0.0.1", ready));
  const url = `http://user:pass%20word%zz@127.0.0.1:${proxy.address().port}`;
  const tunnelled = client(busy.url, { proxy: url });
  assert.equal((await tunnelled.newKey("Bob")).hex(), KEY);
  assert.match(heads[0], /Proxy-Authorization: Basic dXNlcjpwYXNzIHdvcmQleno=\r\n/);
  proxy.close();
  await busy.stop();
});

test("errors show the proxy's name and its answer", async () => {
  let answer = "";
  const proxy = net.createServer((socket) => {
    socket.on("error", () => {}).once("data", () => socket.end(answer));
  });
  await new Promise((ready) => proxy.listen(0, "127.0.0.1", ready));
  const name = `127.0.0.1:${proxy.address().port}`;
  const failure = (url) =>
    client("https://kp.example", { proxy: url })
      .newKey("Bob")
      .catch((error) => error);
  for (const [status, user, message, hint] of [
    [403, "", `the proxy ${name} refused the tunnel (its status is 403)`, /what the proxy allows/],
    [407, "", `the proxy ${name} wants a user name and password (its status is 407)`, /put them into/],
    [407, "u:p@", `the proxy ${name} does not accept the user name and password (its status is 407)`, /check them/],
    [503, "", `the proxy ${name} cannot reach the Key Provider (its status is 503)`, /Key Provider's host and port/],
    ["", "", `the proxy ${name} did not open a tunnel`, /understands CONNECT/],
  ]) {
    answer = status ? `HTTP/1.1 ${status} x\r\nContent-Length: 0\r\n\r\n` : "SSH-2.0-x\r\n\r\n";
    const error = await failure(`http://${user}${name}`);
    assert.deepEqual([error.code, error.message, error.advice], ["connect_failed", message, "same_request"]);
    assert.match(error.hint, hint);
  }
  await new Promise((done) => proxy.close(done));
  const error = await failure(`http://${name}`);
  assert.equal(error.message, `the proxy cannot be reached: cannot connect to ${name}: nothing listens there`);
  assert.match(error.hint, /the proxy's host and port \(proxy\)/);
});

test("pre-shared keys are read as in the vectors", async () => {
  const key = Buffer.from("0123456789abcdef0123456789abcdef");
  const all = cases("psk", ["form", "identity", "input", "input_base64", "is", "code"]);
  const [known, file, dir] = ["known.txt", "psk.txt", "psks"].map((name) => join(folder, name));
  const identities = new Set(all.map((one) => one.is).filter((is) => is !== undefined));
  const line = (identity) => `#${Buffer.from(identity).toString("hex")}:${key.toString("hex")}\n`;
  writeFileSync(known, [...identities].map(line).join(""));
  const pair = await serve(dir, "--psk-file", known);
  try {
    for (const { name, form, identity, input, input_base64, is, code } of all) {
      const content = input === undefined ? Buffer.from(input_base64, "base64") : Buffer.from(input);
      writeFileSync(file, content);
      const psk =
        form === "file" ? { file, ...(identity === undefined ? {} : { identity }) } : { identity, [form]: input };
      const ask = async () => (await new Client(pair.alice.psk_url, { psk }).capabilities()).localSystemId;
      if (code === undefined) assert.equal(await ask(), "Alice", `${name}: ${is}`);
      else await assert.rejects(ask, { code }, name);
    }
  } finally {
    pair.stop();
  }
});

test("invalid options are errors that show no secret", () => {
  const url = "https://127.0.0.1";
  const ca = readFileSync(kp.ca, "utf8");
  const key = readFileSync(kp.client_key, "utf8");
  for (const [where, options] of [
    ["http://127.0.0.1", { ca }],
    ["https://user:secret@host", { ca }],
    ["https://host/?q", { ca }],
    ["https://ho st", { ca }],
    [7, { ca }],
    [[], { ca }],
    [url, {}],
    [url, null],
    [url, { ca, timeuot: 5 }],
    [url, { ca, timeout: 0 }],
    [url, { ca, timeout: Number.POSITIVE_INFINITY }],
    [url, { ca, timeout: "5" }],
    [url, { ca, tls: "1.1" }],
    [url, { ca, pin: "sha256/short" }],
    [url, { ca: join(folder, "missing.pem") }],
    [url, { ca: [] }],
    [url, { ca: "system-store" }],
    [url, { ca, cert: kp.client_cert }],
    [url, { ca, cert: kp.client_cert, key: key.replace("-----BEGIN", "") }],
    [url, { ca, cert: kp.client_cert, key: join(folder, "alice.key") }],
    [url, { ca, cert: kp.client_cert, key: "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----" }],
    [url, { ca, serverName: "a b" }],
    [url, { ca, lenient: "yes" }],
    [url, { ca, signal: {} }],
    [url, { ca, proxy: "https://proxy" }],
    [url, { ca, proxy: "http://proxy/path" }],
    [url, { ca, sourceAddress: "localhost" }],
    [url, { psk: {} }],
    [url, { psk: { identity: "", hex: "00" } }],
    [url, { psk: { identity: "a\0", hex: "00" } }],
    [url, { psk: { identity: "a", hex: KEY.slice(1) } }],
    [url, { psk: { identity: "a", hex: KEY, text: KEY } }],
    [url, { psk: `router:${KEY}` }],
    [url, { psk: { [KEY]: 1 } }],
  ]) {
    assert.throws(
      () => new Client(where, options),
      (error) => {
        assert.ok(error instanceof SkipError && error.code === "invalid_argument", inspect(error));
        assert.ok(!inspect(error).includes(KEY.slice(0, 8)) && !inspect(error).includes("MII"), inspect(error));
        return true;
      },
      inspect(options),
    );
  }
});

test("an invalid option is reported with the reason", async () => {
  const ca = readFileSync(kp.ca, "utf8");
  const [cert, key] = [kp.client_cert, kp.client_key];
  const der = new X509Certificate(ca).raw;
  for (const [where, options, message] of [
    ["https://0x7f000001", { ca }, /^url: must have an IPv4 address as four decimal numbers/],
    ["https://kp/capabilities", { ca }, /^url: must be the base URL/],
    ["https://kp:0", { ca }, /^url: must name a host .* and a port/],
    ["https://kp/ö", { ca }, /^url: must have a path of printable ASCII/],
    ["https://kp", { ca: der }, /^ca: is DER, not PEM$/],
    ["https://kp", { ca: [] }, /^ca: must hold at least one certificate in PEM form$/],
    ["https://kp", { ca: "missing.pem" }, /^ca: cannot read missing\.pem: entity not found$/],
    ["https://kp", { ca: `router:${KEY}` }, /^ca: must name a file, and looks like a key in hexadecimal$/],
    ["https://kp", { ca, cert: key, key: cert }, /^cert: holds a private key and no certificate/],
    ["https://kp", { ca, cert: "-----BEGIN X-----", key }, /^cert: must begin with an X\.509 certificate$/],
  ]) {
    assert.throws(() => new Client(where, options), { ...misuse, message });
  }
  const { url, stop } = await server((socket) => socket.end(GOOD));
  for (const [sourceAddress, message] of [
    ["192.0.2.1", /^sourceAddress: is no address of this machine$/],
    ["::1", /^sourceAddress: is of another family/],
  ]) {
    await assert.rejects(client(url, { sourceAddress }).newKey("Bob"), { ...misuse, message });
  }
  await stop();
});

test("the options match the core's table", () => {
  const table = JSON.parse(readFileSync(new URL("../lib/generated/options.json", import.meta.url), "utf8"));
  const spelled = (name) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
  let offered;
  assert.throws(
    () => new Client("https://kp", { nonsense: 1 }),
    ({ hint }) => {
      offered = hint.replace("use one of ", "").split(", ");
      return true;
    },
  );
  assert.ok(table.length > 10);
  for (const name of table) assert.ok(offered.includes(spelled(name)), `the client lacks the option ${spelled(name)}`);
  // only Node has AbortSignal, and a log for each client instead of one for the process
  const ours = offered.filter((name) => !table.some((option) => spelled(option) === name));
  assert.deepEqual(
    ours.filter((name) => !["signal", "logger"].includes(name)),
    [],
  );
});

test("a legacy suite is used only if requested, and gives a warning", async () => {
  const { url, stop } = await server((socket) => socket.end(GOOD), rsaServer());
  await assert.rejects(client(url, { pin: rsaPin(), ca: undefined }).newKey("Bob"), { code: "tls_failed" });
  const legacy = client(url, { pin: rsaPin(), ca: undefined, legacy: true });
  assert.equal((await legacy.newKey("Bob")).hex(), KEY);
  assert.equal(legacy.connection.cipherSuite, "TLS_RSA_WITH_AES_256_CBC_SHA256");
  assert.match(legacy.connection.warnings[0], /forward secrecy/);
  assert.throws(() => client(url, { legacy: true, forwardSecrecy: true }), misuse);
  await stop();
});

test("an encrypted key is opened with its password, and the error for PKCS#12 has the command that converts it", async () => {
  const [cert, key] = [join(folder, "client.pem"), join(folder, "client.key")];
  const [sealed, both] = [join(folder, "sealed.key"), join(folder, "client.p12")];
  for (const command of [
    ["pkcs8", "-topk8", "-in", key, "-out", sealed],
    ["pkcs12", "-export", "-in", cert, "-inkey", key, "-out", both],
  ]) {
    assert.equal(spawnSync("openssl", [...command, "-passout", "pass:marker"]).status, 0);
  }
  const { url, stop } = await server((socket) => socket.end(GOOD), { requestCert: true, ca: readFileSync(kp.ca) });
  assert.equal((await client(url, { cert, key: sealed, keyPassword: "marker" }).newKey("Bob")).hex(), KEY);
  for (const [options, message] of [
    [{ cert, key: sealed }, /^keyPassword: is missing: the private key is encrypted/],
    [{ cert, key: sealed, keyPassword: "hunter2" }, /^keyPassword: does not open the private key/],
    [{ cert: both, key: both, keyPassword: "marker" }, /^cert: is PKCS#12/],
  ]) {
    assert.throws(() => client(url, options), { ...misuse, message });
  }
  await stop();
});

test("files are read again for each connection", async () => {
  const own = join(folder, "own-ca.pem");
  writeFileSync(own, readFileSync(kp.ca));
  const { url, stop } = await server((socket) => socket.end(GOOD));
  const renewed = client(url, { ca: own });
  assert.equal((await renewed.newKey("Bob")).hex(), KEY);
  writeFileSync(own, readFileSync(join(folder, "client.pem")));
  await assert.rejects(renewed.newKey("Bob"), { code: "tls_failed" });
  await stop();
});

test("a client does not show its credentials", async () => {
  const shown = inspect(new Client(kp.alice.psk_url, { psk: { identity: "router", hex: KEY } }), {
    depth: 9,
    showHidden: true,
  });
  assert.ok(!shown.includes(KEY.slice(0, 8)));
});

/** A logger and the lines that it received. */
function logger() {
  const lines = [];
  const take = (level) => (line) => lines.push([level, line]);
  return { lines, logger: { debug: take("debug"), info: take("info"), warn: take("warn") } };
}

test("log lines: connections, retries and warnings, without secrets", async () => {
  const { lines, logger: log } = logger();
  const closed = await server(() => {});
  await closed.stop();
  // a fallback to the next Key Provider
  const kps = client([closed.url, kp.alice.url], { logger: log });
  const secrets = [(await kps.newKey(kp.bob.id)).hex(), (await kps.newKey(kp.bob.id)).hex()];
  const [next, connected, ...more] = lines;
  assert.ok(next[0] === "warn" && next[1].startsWith(`${closed.url}: cannot connect`), next[1]);
  assert.ok(next[1].endsWith(`; trying ${kp.alice.url}`), next[1]);
  assert.ok(connected[1].startsWith(`${kp.alice.url}: connected to 127.0.0.1:`), connected[1]);
  assert.match(connected[1], / with TLS 1\.3, TLS_AES_256_GCM_SHA384$/);
  // the one that failed is not tried again yet
  assert.deepEqual([connected[0], more.map(([level]) => level)], ["debug", ["debug"]]);

  // a fallback to a weaker handshake; it gives one warning
  const psk = { identity: "router", key: Buffer.alloc(32, "M") };
  const suites = { cert: undefined, key: undefined, maxVersion: "TLSv1.2", ciphers: "PSK-AES256-GCM-SHA384" };
  const weak = await server((socket) => socket.end(GOOD), { ...suites, pskCallback: () => psk.key });
  const hex = psk.key.toString("hex");
  const router = new Client(weak.url, { psk: { identity: "router", hex }, checkRemote: false, logger: log });
  secrets.push(hex, KEY);
  lines.length = 0;
  await router.newKey("Bob");
  assert.deepEqual(
    lines.map(([level]) => level),
    ["info", "debug", "warn"],
  );
  assert.match(lines[0][1], /: the handshake for TLS 1\.2 with DHE-PSK failed: /);
  assert.match(lines[2][1], /: TLS_PSK_WITH_AES_256_GCM_SHA384 has no forward secrecy: /);
  await router.newKey("Bob");
  assert.equal(lines.filter(([level]) => level === "warn").length, 1);
  await weak.stop();

  // a busy Key Provider
  const busy = await server((socket) => socket.end("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"));
  await assert.rejects(client(busy.url, { logger: log, waitWhenBusy: 1000 }).newKey("Bob"), { code: "busy" });
  assert.ok(lines.some(([level, line]) => level === "info" && line === `${busy.url}: busy; asking again in 1 s`));
  await busy.stop();
  for (const [, line] of lines) assert.ok(!secrets.some((secret) => line.includes(secret)), "a secret is in a line");
});

test("only loggers are accepted, one that throws does not affect a call, and NODE_DEBUG shows the lines", async () => {
  for (const logger of [null, "console", {}, { debug() {}, info() {} }]) {
    assert.throws(() => client(kp.alice.url, { logger }), { ...misuse, message: /^logger: / });
  }
  const script = join(folder, "log.mjs");
  const run = (options, env) => {
    writeFileSync(
      script,
      `import { Client } from ${JSON.stringify(import.meta.resolve("skip-client/node"))};
      process.on("uncaughtException", (error) => console.log(error.message));
      const boom = () => { throw new Error("boom"); };
      const kp = new Client(${JSON.stringify(kp.alice.url)}, { ca: ${JSON.stringify(kp.ca)}, ${options} });
      console.log((await kp.newKey("Bob")).bits);`,
    );
    return spawnSync("node", [script], { encoding: "utf8", env: { ...process.env, ...env } });
  };
  assert.deepEqual([run("").stdout, run("").stderr], ["256\n", ""]);
  const { stdout, stderr } = run("", { NODE_DEBUG: "skip-client" });
  assert.equal(stdout, "256\n");
  assert.match(stderr, /^SKIP-CLIENT \d+: https:.*: connected to 127\.0\.0\.1:/);
  const thrown = run("logger: { debug: boom, info: boom, warn: boom }").stdout;
  assert.deepEqual(thrown.split("\n").sort(), ["", "256", "boom", "boom"]);
});
