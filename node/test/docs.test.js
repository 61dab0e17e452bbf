/** The documents are true: their `js` blocks run as they are printed. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const docs = readdirSync(`${ROOT}/docs`, { recursive: true }).filter((name) => name.endsWith(".md"));
const pages = ["README.md", "node/README.md", ...docs.map((name) => `docs/${name}`)];
const blocks = pages.flatMap((page) =>
  [...readFileSync(`${ROOT}/${page}`, "utf8").matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => ({ page, code })),
);

test("there are blocks", () => assert.ok(blocks.length >= 4));

for (const [index, { page, code }] of blocks.entries()) {
  test(`block ${index + 1}, of ${page}`, async () => {
    const library = import.meta.resolve("skip-client");
    const script = code.replaceAll('from "skip-client"', `from ${JSON.stringify(library)}`);
    const { log } = console;
    const lines = [];
    console.log = (...words) => lines.push(words);
    try {
      await import(`data:text/javascript,${encodeURIComponent(script)}`);
    } finally {
      console.log = log;
    }
    assert.ok(lines.length > 0);
  });
}
