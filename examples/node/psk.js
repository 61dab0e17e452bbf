// A key over TLS with a pre-shared key, by node:tls: node psk.js FOLDER, as `skip-client serve --dir FOLDER` makes it.
import { readFileSync } from "node:fs";
import http from "node:http";
import tls from "node:tls";
import { buildRequest, parseResponse } from "skip-client";

const [folder] = process.argv.slice(2);
const { alice, bob, psk: file } = JSON.parse(readFileSync(`${folder}/endpoints.json`, "utf8"));
const [, identity, hex] = /^(.*):([0-9a-f]+)\s*$/i.exec(readFileSync(`${folder}/${file}`, "utf8"));
const options = {
  pskCallback: () => ({ identity, psk: Buffer.from(hex, "hex") }),
  // Node can do pre-shared keys in TLS 1.2 only; the first suite has forward secrecy
  ciphers: "DHE-PSK-AES256-GCM-SHA384:PSK-AES256-GCM-SHA384",
  maxVersion: "TLSv1.2",
  // the pre-shared key authenticates both sides; there is no certificate whose name could be checked
  checkServerIdentity: () => undefined,
};

const request = buildRequest({ kind: "newKey", remote: bob.id, size: 256 });
const { hostname, port } = new URL(alice.psk_url);
const createConnection = () => tls.connect({ host: hostname.replace(/[[\]]/g, ""), port: port || 443, ...options });
const { method, headers, target: path } = request;
const call = http.request({ createConnection, host: hostname, method, headers, path }, async (reply) => {
  const chunks = [];
  for await (const chunk of reply) chunks.push(chunk);
  const key = parseResponse(request, reply.statusCode, reply.headers, Buffer.concat(chunks));
  const { standardName } = reply.socket.getCipher();
  console.log(`keyId ${key.keyId}: ${key.bits} bits over ${standardName}`);
  for (const bytes of [...chunks, key.bytes]) bytes.fill(0);
  reply.socket.destroy();
});
call.on("error", (error) => {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
});
call.end();
