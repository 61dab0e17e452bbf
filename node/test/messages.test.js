/** The texts of the client's errors are the core's, in docs/messages.md, with Node's names of options. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { transformSync } from "rolldown/utils";
import { buildRequest } from "skip-client";

const CLIENT = new URL("../lib/client/", import.meta.url);
const read = (name, folder = CLIENT) => readFileSync(new URL(name, folder), "utf8");

/** What Node says differently, and why. */
const ONLY_NODE = {
  // anything can be passed in JavaScript, and only here
  optionsType: "types",
  urlType: "types",
  passwordType: "types",
  signal: "types",
  logger: "types",
  pemType: "types",
  pskType: "types",
  pskForms: "types",
  pskKeyType: "types",
  pskFileType: "types",
  unknownMember: "options of calls and of psk have names",
  time: "milliseconds, as usual in JavaScript",
  noSystemStore: "Node finds every system's store since 22.15",
  pskNotInNode: "Bun and Deno have no pre-shared keys",
  pskVersion: "pre-shared keys in TLS 1.2 only",
  pskNoSuite: "pre-shared keys in TLS 1.2 only",
  pskNoVersion: "pre-shared keys in TLS 1.2 only",
  unknownIssuer: "Node reports a code without the certificate",
  expired: "Node reports a code without the certificate",
  notYetValid: "Node reports a code without the certificate",
  badCertificate: "Node reports a code without the certificate",
  certRefused: "the client does not examine its own certificate",
};

/** The errors on the page, with Node's names; its first table has the names. */
function textsOfTheCore() {
  const [, names, ...sections] = read("../../../docs/messages.md").split(/^## /m);
  const cells = (line) =>
    line
      .slice(2, -2)
      .split(" | ")
      .map((cell) => cell.replace(/^`|`$/g, "").replaceAll("\\|", "|"));
  const table = (text) =>
    text
      .split("\n")
      .filter((line) => line.startsWith("| "))
      .map(cells);
  const [head, ...rows] = table(names);
  const node = head.indexOf("Node");
  assert.ok(node > 0, "the page has a column for Node");
  // the others are words, too, or the same in Node
  const spelled = rows.map((row) => [row[0], row[node]]).filter(([name]) => /[_=]/.test(name));
  spelled.sort(([one], [other]) => other.length - one.length);
  const spell = (text) => spelled.reduce((text, [name, inNode]) => text.replaceAll(name, inNode), text);
  return sections.flatMap((section) => {
    const code = section.slice(0, section.indexOf("\n"));
    return table(section)
      .slice(1)
      .map(([message, hint, advice]) => [code, spell(message), spell(hint), advice]);
  });
}

/** The texts as the client has them. */
async function textsOfNode() {
  const { code } = transformSync("texts.ts", read("texts.ts"));
  return (await import(`data:text/javascript,${encodeURIComponent(code)}`)).TEXTS;
}

/** Whether a text of the core is this one with values for `{name}`. */
function fits([code, message, hint, advice], core) {
  const matches = (text, other) => {
    const parts = text.split(/\{\w+\}/).map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
    return new RegExp(`^${parts.join(".+")}$`).test(other);
  };
  return core[0] === code && matches(message, core[1]) && matches(hint, core[2]) && core[3] === advice;
}

test("each text is the core's, or is listed with the reason why not", async () => {
  const core = textsOfTheCore();
  const texts = await textsOfNode();
  assert.ok(core.length > 100 && Object.keys(texts).length > 80);
  const isOfTheCore = (text) => core.some((one) => fits(text, one));
  const own = Object.entries(texts).filter(([, text]) => !isOfTheCore(text));
  const unlisted = own.filter(([name]) => ONLY_NODE[name] === undefined);
  const differing = unlisted.map(([name, [, message]]) => `${name}: ${message}`);
  assert.deepEqual(differing, [], "these are neither in docs/messages.md nor in the list of this test");
  const listed = Object.keys(ONLY_NODE).filter((name) => !own.some(([other]) => other === name));
  assert.deepEqual(listed, [], "these need not be listed");
});

test("no text is anywhere else in the client, and each is used", async () => {
  const others = readdirSync(CLIENT).filter((name) => name !== "texts.ts");
  const sources = others.map((name) => [name, read(name)]);
  const makers = sources.filter(([, source]) => /new SkipError\(|invalidArgument\(/.test(source));
  assert.deepEqual(
    makers.map(([name, source]) => [name, source.split("new SkipError(").length - 1]),
    [["errors.ts", 1]],
  );
  const unused = Object.keys(await textsOfNode()).filter(
    (text) => !sources.some(([, source]) => source.includes(`"${text}"`)),
  );
  assert.deepEqual(unused, []);
});

test("errors of the core itself have Node's names, too", () => {
  const request = (options) => () => buildRequest(options);
  assert.throws(request({ kind: "newKey", remote: "*" }), { message: /^remote: is a pattern/ });
  assert.throws(request({ kind: "keyById", keyId: "x", remote: "Bob" }), { hint: /: lenient: true$/ });
});
