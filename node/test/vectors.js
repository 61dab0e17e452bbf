/** The vectors that all languages share. A file without cases or a case with an unknown member is an error. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const FOLDER = new URL("../../tests/vectors/draft-cisco-skip-02/", import.meta.url);

export const KINDS = ["capabilities", "key", "entropy"];

export const MESSAGE_WORDS = ["body", "body_base64", "valid", "errors", "warnings", "lenient", "as_published"];

/** The cases of one file. */
export function cases(file, words) {
  const document = JSON.parse(readFileSync(new URL(`${file}.json`, FOLDER), "utf8"));
  assert.equal(Object.keys(document)[0], "_comment", `${file}: the comment comes first`);
  assert.ok(document.cases.length > 0, `${file} has no cases`);
  for (const one of document.cases) {
    for (const word of Object.keys(one)) {
      assert.ok(word === "name" || words.includes(word), `${file}: unknown word ${word}`);
    }
  }
  return document.cases;
}

/** The bytes of a message. */
export function body(one) {
  return "body_base64" in one ? Buffer.from(one.body_base64, "base64") : Buffer.from(one.body);
}
