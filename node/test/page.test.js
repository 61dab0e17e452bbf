/**
 * The page in a browser, opened as a file: its verdicts, keyboard use, contrast and labels (axe), and that it sends
 * nothing.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch, needsBrowser } from "./browser.js";

const PAGE = new URL("../../dist/validator-page/index.html", import.meta.url).href;
const SHOTS = fileURLToPath(new URL(".work/screenshots", import.meta.url));
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let browser;
before(async () => {
  if (!needsBrowser.skip) browser = await launch();
  mkdirSync(SHOTS, { recursive: true });
});
after(() => browser?.close());

/** Opens the page and records its requests. An error on the page fails the test. */
async function open(options = {}) {
  const context = await browser.newContext({ offline: true, ...options });
  const page = await context.newPage();
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  page.on("pageerror", (error) => asked.push(`error ${error.message}`));
  page.on("console", (message) => message.type() === "error" && asked.push(`console ${message.text()}`));
  await page.goto(PAGE);
  return { page, asked };
}

const verdict = (page) => page.locator("#verdict").innerText();

test("it validates messages and shows where the problems are", needsBrowser, async () => {
  const { page, asked } = await open();
  assert.match(await verdict(page), /Nothing to check/);
  await page.click("[data-example=key]");
  assert.equal(await verdict(page), "A valid key message.");
  await page.click("[data-example=capabilities]");
  assert.equal(await verdict(page), "A valid capabilities message.");
  await page.click("[data-example=broken]");
  assert.equal(await verdict(page), "Not a valid key message: 3 errors.");
  const items = page.locator("#problems li");
  assert.deepEqual(
    await items.locator(".path, .details").evaluateAll((all) => all.map((one) => one.innerText.replaceAll("\n", " "))),
    [
      "/keyId",
      "line 2, column 3 draft 4.2.1 not_hex",
      "/key",
      "line 3, column 3 draft 4.2.2 odd_length",
      "/note/a",
      "line 4, column 20 draft 4 duplicate_member",
    ],
  );
  await items.nth(1).locator("button").click();
  const selected = await page.evaluate(() => {
    const area = document.activeElement;
    return area.value.slice(area.selectionStart, area.selectionEnd);
  });
  assert.equal(selected, '"key": "0f1e2d3c4b5a6978879"');
  assert.equal(
    await items.nth(0).locator("a").getAttribute("href"),
    "https://datatracker.ietf.org/doc/html/draft-cisco-skip-02#section-4.2.1",
  );
  await page.click("[data-example=exchange]");
  assert.equal(await verdict(page), "2 of 4 messages are valid.");
  assert.match(await items.last().innerText(), /line 4, column 16/);
  await page.selectOption("#rules", "lenient");
  assert.equal(await verdict(page), "3 of 4 messages are valid.");
  await page.fill("#message", '{"keyId": "ä\n');
  await page.selectOption("#kind", "key");
  assert.equal(await items.locator("mark").innerText(), "\n".trim());
  assert.match(await items.innerText(), /line 1, column 13/);
  await page.fill("#message", "[]");
  await page.selectOption("#kind", "");
  assert.match(await verdict(page), /no member of any SKIP message/);
  assert.deepEqual(
    asked.map((url) => url.replace(/.*\//, "")),
    ["index.html", "page.css", "page.js"],
  );
});

test("a file can be chosen or dropped", needsBrowser, async () => {
  const { page } = await open();
  const buffer = Buffer.from('{"randomStr": "0a0b", "minentropy": 16}');
  await page.setInputFiles("#file", { name: "reply.json", mimeType: "application/json", buffer });
  await page.waitForFunction(() => document.querySelector("#verdict").textContent === "A valid entropy message.");
  await page.click("#clear");
  await page.evaluate(() => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File(['{"randomStr": "0a0b", "minentropy": 17}'], "reply.json"));
    document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
  });
  await page.waitForFunction(() => document.querySelector("#verdict").className.includes("invalid"));
});

test("patterns are tried on ids", needsBrowser, async () => {
  const { page } = await open();
  const rows = () =>
    page.locator("#matches tr").evaluateAll((all) => all.map((one) => one.innerText.split(/\s+/).join(" ")));
  assert.deepEqual(await rows(), [
    "KP_ALICE_LOC1 matches KP_*_LOC1",
    "KP_BOB_LOC1 matches KP_*_LOC1",
    "KP_BOB_LOC2 no match –",
    "kp_bob_loc1 no match –",
  ]);
  await page.click("[data-example=capabilities]");
  await page.fill("#ids", "Bob\nEve");
  await page.click("#take");
  assert.deepEqual(await rows(), ["Bob matches Bob", "Eve no match –"]);
  assert.equal(await page.locator("#match-summary").innerText(), "1 of 2 ids match.");
});

test("nothing can leave the page", needsBrowser, async () => {
  const { page } = await open({ offline: false });
  const outcome = await page.evaluate(() =>
    Promise.all([
      fetch("https://127.0.0.1:9/").then(
        () => "sent",
        () => "refused",
      ),
      new Promise((done) =>
        document.addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective)),
      ),
    ]),
  );
  assert.deepEqual(outcome, ["refused", "connect-src"]);
  assert.match(await page.locator("header").innerText(), /Nothing leaves this page/);
});

test("everything can be reached with the keyboard", needsBrowser, async () => {
  const { page } = await open();
  await page.click("[data-example=broken]");
  await page.evaluate(() => document.activeElement.blur());
  const reached = new Set();
  for (let i = 0; i < 40; i++) {
    await page.keyboard.press("Tab");
    reached.add(await page.evaluate(() => document.activeElement.id || document.activeElement.innerText));
  }
  for (const id of ["message", "file", "kind", "rules", "clear", "patterns", "ids", "take", "line 3, column 3"]) {
    assert.ok(reached.has(id), id);
  }
});

for (const colorScheme of ["light", "dark"]) {
  for (const [name, viewport] of [
    ["desktop", { width: 1100, height: 900 }],
    ["phone", { width: 360, height: 740 }],
  ]) {
    test(`axe finds no problems, and nothing is cut off: ${colorScheme}, ${name}`, needsBrowser, async () => {
      const { page } = await open({ colorScheme, viewport });
      for (const example of ["broken", "exchange", "key"]) {
        await page.click(`[data-example=${example}]`);
        await page.evaluate(AXE);
        const { violations, passes } = await page.evaluate(() => axe.run());
        assert.deepEqual(
          violations.map((v) => `${v.id}: ${v.nodes.map((node) => node.html)}`),
          [],
        );
        assert.ok(passes.length > 20);
        const wide = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        assert.ok(wide <= 0, "the page scrolls sideways");
        await page.screenshot({ path: `${SHOTS}/${colorScheme}-${name}-${example}.png`, fullPage: true });
      }
    });
  }
}

test("if a policy forbids WebAssembly, it says what is wrong", needsBrowser, async (t) => {
  const folder = new URL("../../dist/validator-page/", import.meta.url);
  const types = { html: "text/html", js: "text/javascript", css: "text/css" };
  const server = createServer(({ url }, reply) => {
    const name = url === "/" ? "index.html" : url.slice(1);
    reply.setHeader("content-security-policy", "script-src 'self'");
    reply.setHeader("content-type", types[name.split(".").at(-1)]).end(readFileSync(new URL(name, folder)));
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  t.after(() => server.close());
  const page = await browser.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  assert.match(await verdict(page), /cannot check messages here: WebAssembly .*'wasm-unsafe-eval'/s);
  assert.deepEqual(errors, []);
  await page.close();
});
