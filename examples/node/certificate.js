// The initiator's half of an exchange, over node:https: node certificate.js FOLDER, as `skip-client serve --dir
// FOLDER` makes it.
import { readFileSync } from "node:fs";
import https from "node:https";
import { buildRequest, parseResponse, SkipError } from "skip-client";

const [folder] = process.argv.slice(2);
const { alice, bob, ca } = JSON.parse(readFileSync(`${folder}/endpoints.json`, "utf8"));
const tls = { ca: readFileSync(`${folder}/${ca}`), minVersion: "TLSv1.2", agent: false, timeout: 10_000 };

/** Sends a request once: a GET makes or uses up a key here, so there is no second try and no redirect. */
function ask(url, request) {
  return new Promise((done, failed) => {
    const { method, headers, target } = request;
    const call = https.request(`${url.replace(/\/$/, "")}${target}`, { ...tls, method, headers }, async (reply) => {
      const chunks = [];
      try {
        for await (const chunk of reply) chunks.push(chunk);
        const body = Buffer.concat(chunks);
        done(parseResponse(request, reply.statusCode, reply.headers, body));
        for (const bytes of [body, ...chunks]) bytes.fill(0);
      } catch (error) {
        failed(error);
      }
    });
    call
      .on("timeout", () => call.destroy(new Error("timed out")))
      .on("error", failed)
      .end();
  });
}

const key = await ask(alice.url, buildRequest({ kind: "newKey", remote: bob.id, size: 256 }));
const same = await ask(bob.url, buildRequest({ kind: "keyById", keyId: key.keyId, remote: alice.id }));
console.log(`keyId ${key.keyId}: ${key.bits} bits, ${key.equals(same) ? "the same" : "NOT THE SAME"} at both ends`);
await ask(bob.url, buildRequest({ kind: "keyById", keyId: key.keyId, remote: alice.id })).catch((error) => {
  if (!(error instanceof SkipError)) throw error;
  console.log(`a second time: ${error.code}, advice ${error.advice}`);
});
for (const secret of [key, same]) secret.wipe();
