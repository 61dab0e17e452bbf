// A key over TLS with a pre-shared key: node psk.js FOLDER, as `skip-client serve --dir FOLDER` makes it.
import { readFileSync } from "node:fs";
import { Client } from "skip-client/node";

const [folder] = process.argv.slice(2);
const { alice, bob, psk } = JSON.parse(readFileSync(`${folder}/endpoints.json`, "utf8"));

try {
  const kp = new Client(alice.psk_url, { psk: `${folder}/${psk}` });
  const key = await kp.newKey(bob.id, { size: 256 });
  console.log(`keyId ${key.keyId}: ${key.bits} bits over ${kp.connection.cipherSuite}`);
  key.wipe();
} catch (error) {
  console.error(`error: ${error.message}\nhint: ${error.hint}`);
  process.exitCode = 1;
}
