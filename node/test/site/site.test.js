/**
 * The documentation site in a browser, opened from the disk and without a network: search, colours, no text cut off,
 * no requests to other hosts. `make test-docs` builds it first.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch, needsBrowser } from "../browser.js";

const SITE = new URL("../../../dist/docs/", import.meta.url);
const SHOTS = fileURLToPath(new URL("../.work/screenshots/site", import.meta.url));
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
// the theme puts a <nav> with the copy button into each block of code
const RULES = { rules: { "landmark-unique": { enabled: false } } };
const VIEWPORTS = { desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } };

// the pages made by mkdocs; references that are separate sites are opened once, below
const pages = readdirSync(SITE, { recursive: true })
  .filter((name) => name.endsWith(".html") && name !== "404.html" && !/^reference\/(rust|kotlin)\//.test(name))
  .sort();
const foreign = ["reference/rust/skip_client/index.html", "reference/kotlin/index.html"].filter((name) =>
  existsSync(new URL(name, SITE)),
);

let browser;
before(async () => {
  if (!needsBrowser.skip) browser = await launch();
  mkdirSync(SHOTS, { recursive: true });
});
after(() => browser?.close());

/** Opens a page, and collects everything that must not happen on it. */
async function open(options) {
  const context = await browser.newContext({ offline: true, ...options });
  const page = await context.newPage();
  const wrong = [];
  page.on("request", (request) => {
    if (!/^(file|data|blob):/.test(request.url())) wrong.push(`asked ${request.url()}`);
  });
  page.on("requestfailed", (request) => {
    const why = request.failure().errorText;
    // the next page was opened before this one's icon was loaded
    if (why !== "net::ERR_ABORTED") wrong.push(`failed ${request.url()}: ${why}`);
  });
  page.on("pageerror", (error) => wrong.push(`error ${error.message}`));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) wrong.push(`console ${message.text()}`);
  });
  return { context, page, wrong };
}

test("the site has been built", () => assert.ok(pages.length >= 30, "make docs-site"));

for (const [name, viewport] of Object.entries(VIEWPORTS)) {
  test(`every page: ${name}`, needsBrowser, async () => {
    const { context, page, wrong } = await open({ viewport });
    for (const path of pages) {
      await page.goto(new URL(path, SITE).href);
      assert.deepEqual(wrong, [], path);
      const { wide, cut } = await page.evaluate(() => ({
        wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        // elements that overflow the text and cannot be scrolled
        cut: [...document.querySelectorAll(".md-content :is(p, li, table, pre, img, h1, h2, h3)")]
          .filter((one) => !one.closest(".table, pre, .highlight"))
          .filter((one) => one.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
          .map((one) => one.outerHTML.slice(0, 80)),
      }));
      assert.ok(wide <= 0, `${path} scrolls sideways by ${wide}`);
      assert.deepEqual(cut, [], path);
    }
    await context.close();
  });

  for (const colorScheme of ["light", "dark"]) {
    test(`axe finds no problems: ${name}, ${colorScheme}`, needsBrowser, async () => {
      const { context, page } = await open({ viewport, colorScheme });
      for (const path of ["what-skip-is.html", "psk.html", "compare.html"]) {
        await page.goto(new URL(path, SITE).href);
        const scheme = await page.evaluate(() => document.body.dataset.mdColorScheme);
        assert.equal(scheme, colorScheme === "dark" ? "slate" : "default");
        await page.screenshot({ path: `${SHOTS}/${path.replaceAll("/", "-")}-${name}-${colorScheme}.png` });
        await page.evaluate(AXE);
        const { violations, passes } = await page.evaluate((rules) => axe.run(".md-content", rules), RULES);
        assert.deepEqual(
          violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((node) => node.html)}`),
          [],
          path,
        );
        assert.ok(passes.length > 5);
      }
      await context.close();
    });
  }

  test(`search: ${name}`, needsBrowser, async () => {
    const { context, page, wrong } = await open({ viewport });
    await page.goto(new URL("what-skip-is.html", SITE).href);
    const field = page.locator(".md-search__input");
    if (name === "phone") await page.click("label.md-header__button[for=__search]");
    for (const [words, first] of [
      ["tls_failed", /^errors\.html/],
      ["tls_untrusted", /^(errors|tls|psk)\.html/],
      ["untrusted", /^errors\.html.*#tls_failed/],
      ["PSK", /^psk.*\.html/],
      ["new_key", /^(errors|fetch|reference)/],
      ["strongSwan", /^feed-strongswan\.html/],
    ]) {
      await field.fill("");
      await field.pressSequentially(words);
      // results appear while typing, so those for the whole words come last
      let found;
      for (let i = 0; i < 40 && !found?.some((path) => first.test(path)); i++) {
        await page.waitForTimeout(250);
        const links = await page
          .locator(".md-search-result__item:nth-child(-n + 3) .md-search-result__link")
          .evaluateAll((all) => all.map((one) => one.href));
        found = links.map((link) => link.replace(SITE.href, ""));
      }
      assert.ok(
        found.some((path) => first.test(path)),
        `${words}: ${found}`,
      );
    }
    await field.fill("");
    await field.pressSequentially("qwertzuiop");
    await page.waitForFunction(() => /^No/.test(document.querySelector(".md-search-result__meta").innerText));
    assert.deepEqual(wrong, []);
    await context.close();
  });
}

test("a search for any letter or digit finds something", needsBrowser, async () => {
  const { context, page, wrong } = await open({ viewport: VIEWPORTS.desktop });
  await page.goto(new URL("what-skip-is.html", SITE).href);
  const field = page.locator(".md-search__input");
  const type = async (words, result) => {
    await field.fill("");
    await field.pressSequentially(words);
    await page.locator(".md-search-result__meta").getByText(result).waitFor();
    assert.deepEqual(wrong, [], words);
  };
  for (const typed of "abcdefghijklmnopqrstuvwxyz0123456789") {
    await type("qqq", /^No/);
    await type(typed, /^\d+ matching/);
  }
  await context.close();
});

test("pictures follow the chosen colours, even if the system's differ", needsBrowser, async () => {
  const { context, page } = await open({ colorScheme: "dark" });
  await page.goto(new URL("what-skip-is.html", SITE).href);
  const picture = page.locator('img[src$="exchange.svg"]');
  const brightness = async () => {
    const png = (await picture.screenshot()).toString("base64");
    return page.evaluate(async (data) => {
      const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${data}`)).blob());
      const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
      canvas.drawImage(image, 0, 0);
      const { data: bytes } = canvas.getImageData(0, 0, image.width, image.height);
      return bytes.reduce((sum, byte) => sum + byte, 0) / bytes.length;
    }, png);
  };
  const dark = await brightness();
  await page.evaluate(() => document.body.setAttribute("data-md-color-scheme", "default"));
  const light = await brightness();
  assert.ok(light > dark + 80, `dark ${dark}, light ${light}`);
  await context.close();
});

test("references that are separate sites send no requests to other hosts", needsBrowser, async () => {
  const { context, page, wrong } = await open({ viewport: VIEWPORTS.desktop });
  for (const path of foreign) {
    await page.goto(new URL(path, SITE).href);
    await page.screenshot({ path: `${SHOTS}/${path.replaceAll("/", "-")}.png` });
  }
  assert.deepEqual(
    wrong.filter((one) => one.startsWith("asked ")),
    [],
  );
  await context.close();
});
