/** Debian's Chromium, or another one. Without one, tests are skipped with a message, and fail if CI is set. */
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const PLACES = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const executablePath = PLACES.find((path) => path && existsSync(path));
const MISSING = "Chromium is missing; hint: apt-get install chromium, or set CHROMIUM to the path of one";

/** Options of a test that needs a browser. */
export const needsBrowser = {
  skip: executablePath || process.env.CI ? false : MISSING,
};

export function launch() {
  if (!executablePath) throw new Error(MISSING);
  const switches = "no-sandbox disable-gpu disable-quic no-first-run disable-background-networking";
  const args = `${switches} disable-component-update disable-sync`.split(" ").map((name) => `--${name}`);
  return chromium.launch({ executablePath, args });
}
