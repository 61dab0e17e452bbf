/** The examples run unchanged with `skip-client serve`, and with Node's own TLS and a pre-shared key. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import tls from "node:tls";
import { ROOT, serve } from "./serve.js";

const folder = mkdtempSync(join(tmpdir(), "skip-client-examples-"));
const KP = join(folder, "kp");
let kp;

before(async () => {
  // as in a user's folder: the examples next to the installed package
  mkdirSync(join(folder, "node_modules"), { recursive: true });
  symlinkSync(join(ROOT, "node"), join(folder, "node_modules/skip-client"));
  cpSync(join(ROOT, "examples/node"), folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), '{"private": true, "type": "module"}');
  kp = await serve(KP);
});
after(() => {
  kp?.stop();
  rmSync(folder, { recursive: true, force: true });
});

function run(script, ...args) {
  return new Promise((done) => {
    const child = spawn("node", [script, ...args], { cwd: folder });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += data));
    child.on("close", (status) => done({ status, output }));
  });
}

test("certificate.js fetches a key at both ends", async () => {
  const { status, output } = await run("certificate.js", KP);
  assert.equal(status, 0, output);
  assert.match(
    output,
    /^keyId [0-9a-f]{32}: 256 bits, the same at both ends\na second time: rejected, advice new_key\n$/,
  );
});

test("psk.js gets a key with each of its suites, and is refused with a wrong pre-shared key", async () => {
  const http = createServer((request, reply) => {
    if (request.url === "/capabilities") {
      const ids = '"localSystemID": "Alice", "remoteSystemID": ["Bob"]';
      return reply.end(`{"entropy": false, "key": true, "algorithm": "PRF", ${ids}}`);
    }
    assert.equal(request.url, "/key?remoteSystemID=Bob&size=256");
    reply.end(`{"keyId": "${"0a".repeat(16)}", "key": "${"0123456789abcdef".repeat(4)}"}`);
  });
  for (const ciphers of ["DHE-PSK-AES256-GCM-SHA384", "PSK-AES256-GCM-SHA384"]) {
    const psk = Buffer.from("00112233445566778899aabbccddeeff", "hex");
    const pskCallback = (_, identity) => (identity === "router" ? psk : null);
    const server = tls.createServer({ pskCallback, ciphers, maxVersion: "TLSv1.2", dhparam: "auto" });
    server.on("secureConnection", (socket) => http.emit("connection", socket)).on("tlsClientError", () => {});
    await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
    const url = `https://127.0.0.1:${server.address().port}`;
    writeFileSync(join(folder, "psk.txt"), `router:${psk.toString("hex")}\n`);
    const endpoints = { alice: { id: "Alice", psk_url: url }, bob: { id: "Bob" }, psk: "psk.txt" };
    writeFileSync(join(folder, "endpoints.json"), JSON.stringify(endpoints));
    const { status, output } = await run("psk.js", folder);
    assert.equal(status, 0, output);
    assert.match(output, /^keyId (0a){16}: 256 bits over TLS_(DHE_)?PSK_WITH_AES_256_GCM_SHA384\n$/);
    assert.equal(output.includes("DHE"), ciphers.startsWith("DHE"));
    writeFileSync(join(folder, "psk.txt"), `router:${"ff".repeat(16)}\n`);
    const refused = await run("psk.js", folder);
    assert.equal(refused.status, 1);
    assert.match(refused.output, /^error: .+\nhint: /);
    server.close();
  }
});

test("psk.js gets a key from the development Key Providers", async () => {
  const { status, output } = await run("psk.js", KP);
  assert.equal(status, 0, output);
  assert.match(output, /^keyId [0-9a-f]{32}: 256 bits over TLS_DHE_PSK_/);
});
