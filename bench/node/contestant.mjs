// One contestant in Node: `node contestant.mjs https|undici URL CA`. Reads `warm N` or `cold N` from stdin and prints a
// JSON line with the nanoseconds per request.
import { readFileSync } from "node:fs";
import https from "node:https";
import readline from "node:readline";
import { Agent, request as undiciRequest } from "undici";

const [name, url, caFile] = process.argv.slice(2);
const ca = readFileSync(caFile);
const target = `${url}/key?remoteSystemID=Bob`;
const headers = { accept: "application/json", "cache-control": "no-store" };

function check(text) {
  if (Buffer.from(JSON.parse(text).key, "hex").length !== 32) throw new Error("not a key");
}

const contestants = {
  https() {
    const agent = new https.Agent({ keepAlive: true, ca });
    return {
      request: () =>
        new Promise((resolve, reject) => {
          https
            .get(target, { agent, headers, timeout: 10_000 }, (reply) => {
              const parts = [];
              reply.on("data", (part) => parts.push(part));
              reply.on("end", () => {
                check(Buffer.concat(parts).toString());
                resolve();
              });
            })
            .on("error", reject);
        }),
      close: () => agent.destroy(),
    };
  },
  undici() {
    const dispatcher = new Agent({ connect: { ca } });
    return {
      request: async () => check(await (await undiciRequest(target, { dispatcher, headers })).body.text()),
      close: () => dispatcher.close(),
    };
  },
};

const make = contestants[name];
let warm;
for await (const line of readline.createInterface({ input: process.stdin })) {
  const [command, n] = line.split(" ");
  const times = [];
  for (let i = 0; i < Number(n); i++) {
    const client = command === "warm" ? (warm ??= make()) : make();
    const started = process.hrtime.bigint();
    await client.request();
    times.push(Number(process.hrtime.bigint() - started));
    if (command === "cold") await client.close();
  }
  console.log(JSON.stringify(times));
}
