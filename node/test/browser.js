/** Debian's Chromium, or another one; without one a test is skipped, loudly, and fails where CI is set. */
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const PLACES = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const executablePath = PLACES.find((path) => path && existsSync(path));

/** Options for a test that needs a browser. */
export const needsBrowser = {
  skip: executablePath || process.env.CI ? false : "no Chromium: set CHROMIUM, or (Debian) apt-get install chromium",
};

export function launch() {
  if (!executablePath) throw new Error("no Chromium: set CHROMIUM, or (Debian) apt-get install chromium");
  const switches = "no-sandbox disable-gpu disable-quic no-first-run disable-background-networking";
  const args = `${switches} disable-component-update disable-sync`.split(" ").map((name) => `--${name}`);
  return chromium.launch({ executablePath, args });
}
