/** The documentation is correct: its `js` blocks and `npx skip-validate` run as printed. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const docs = readdirSync(`${ROOT}/docs`, { recursive: true })
  // the site's tools are installed in docs/site by its own tests
  .filter((name) => name.endsWith(".md") && !name.includes("node_modules"));
const pages = ["README.md", "node/README.md", ...docs.map((name) => `docs/${name}`)];
const texts = Object.fromEntries(pages.map((page) => [page, readFileSync(`${ROOT}/${page}`, "utf8")]));
const blocks = pages.flatMap((page) =>
  [...texts[page].matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => ({ page, code })),
);

test("the pages have blocks", () => assert.ok(blocks.length >= 4));

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

test("npx skip-validate, as in the console blocks", () => {
  // one call each for a valid and an invalid file
  const files = {
    "reply.json": ['{"keyId": "0a1b", "key": "0f1e2d3c4b5a69788796a5b4c3d2e1f0"}', '{"keyId": "0a1b"}'],
    "exchange.jsonl": ['{"randomStr": "0f1e", "minentropy": 16}\n', '{"randomStr": "0f1", "minentropy": 16}\n'],
  };
  const program = fileURLToPath(new URL("../dist/skip-validate.js", import.meta.url));
  const folder = mkdtempSync(`${tmpdir()}/skip-validate-`);
  const consoles = pages.flatMap((page) => [...texts[page].matchAll(/^\$ npx skip-validate (\S+)/gm)]);
  assert.ok(consoles.length >= 2);
  try {
    for (const [command, file] of consoles) {
      assert.ok(files[file], command);
      for (const [index, status] of [0, 5].entries()) {
        writeFileSync(`${folder}/${file}`, files[file][index]);
        assert.equal(spawnSync(process.execPath, [program, file], { cwd: folder }).status, status, command);
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
