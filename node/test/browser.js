/** Debian's Chromium, or another one. Without one, tests are skipped with a message, and fail if CI is set. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const PLACES = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const executablePath = PLACES.find((path) => path && existsSync(path));
const NEED = fileURLToPath(new URL("../../scripts/need", import.meta.url));
const missing = executablePath ? "" : spawnSync(NEED, ["--why", "chromium"], { encoding: "utf8" }).stdout.trim();

/** Options of a test that needs a browser. */
export const needsBrowser = {
  skip: missing && !process.env.CI ? missing : false,
};

export function launch() {
  if (!executablePath) throw new Error(missing);
  const switches = "no-sandbox disable-gpu disable-quic no-first-run disable-background-networking";
  const args = `${switches} disable-component-update disable-sync`.split(" ").map((name) => `--${name}`);
  return chromium.launch({ executablePath, args });
}
