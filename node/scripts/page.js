/** Builds examples/validator-page into one folder of three files: `node scripts/page.js FOLDER`. */
import { copyFileSync, mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const [folder] = process.argv.slice(2);
const source = fileURLToPath(new URL("../../examples/validator-page", import.meta.url));
const library = fileURLToPath(new URL("../dist/index.js", import.meta.url));

mkdirSync(folder, { recursive: true });
for (const name of ["index.html", "page.css"]) copyFileSync(`${source}/${name}`, resolve(folder, name));
// a classic script: browsers load modules from servers only
const bundle = await rolldown({ input: `${source}/page.js`, resolve: { alias: { "skip-client": library } } });
await bundle.write({ file: resolve(folder, "page.js"), format: "iife", minify: true });
await bundle.close();
