// Both halves of an exchange, with certificates: node certificate.js FOLDER, as `skip-client serve --dir FOLDER` makes it.
import { readFileSync } from "node:fs";
import { Client } from "skip-client/node";

const [folder] = process.argv.slice(2);
const { alice, bob, ca } = JSON.parse(readFileSync(`${folder}/endpoints.json`, "utf8"));

const initiator = new Client(alice.url, { ca: `${folder}/${ca}` });
const responder = new Client(bob.url, { ca: `${folder}/${ca}` });

const key = await initiator.newKey(bob.id, { size: 256 });
// the keyId travels to the other end, in IKEv2 for example
const same = await responder.keyById(key.keyId, alice.id);
console.log(`keyId ${key.keyId}: ${key.bits} bits, ${key.equals(same) ? "the same" : "NOT THE SAME"} at both ends`);

await responder.keyById(key.keyId, alice.id).catch(({ code, advice }) => {
  console.log(`a second time: ${code}, advice ${advice}`);
});
for (const secret of [key, same]) secret.wipe();
