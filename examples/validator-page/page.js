import { guessKind, matchesRemote, SkipError, validate } from "skip-client";
import { placeOf, places } from "./locate.js";

const $ = (id) => document.getElementById(id);
const DRAFT = "https://datatracker.ietf.org/doc/html/draft-cisco-skip-02#section-";
/** Larger files need the command skip-validate. */
const LARGEST = 5_000_000;
const LISTED = 200;

// example values, not real keys
const KEY = '{"keyId": "1726e9ae76234fb1dd1283d4dca1911e", "key": "0f1e2d3c4b5a69788796a5b4c3d2e1f0"}';
const IDS = '"localSystemID": "KP_ALICE_LOC1", "remoteSystemID": ["KP_*_LOC1", "Bob"]';
const CAPABILITIES = `{"entropy": true, "key": true, "algorithm": "PRF", ${IDS}}`;
const ENTROPY = '{"randomStr": "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "minentropy": 128}';
const EXAMPLES = {
  key: indented(KEY),
  capabilities: indented(CAPABILITIES),
  entropy: indented(ENTROPY),
  broken: '{\n  "keyId": "SKIP-SAE-A-000001",\n  "key": "0f1e2d3c4b5a6978879",\n  "note": {"a": 1, "a": 2}\n}',
  exchange: [CAPABILITIES, KEY, ENTROPY.replace("128", '"128"'), '{"keyId": "0a1b"'].join("\n"),
};

function indented(text) {
  return JSON.stringify(JSON.parse(text), null, 2);
}

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** One document, or one per line if each of the first lines is a whole object. */
function messagesOf(text) {
  const lines = text.split("\n").map((line, index) => ({ text: line, line: index + 1 }));
  const filled = lines.filter((line) => line.text.trim() !== "");
  const whole = filled.slice(0, 2).every(({ text }) => /^\s*\{.*\}\s*$/.test(text));
  if (filled.length < 2 || !whole) return [{ text, line: 1, start: 0 }];
  let start = 0;
  for (const line of lines) {
    line.start = start;
    start += line.text.length + 1;
  }
  return filled;
}

/** Runs an action, or says why the library cannot work here. */
function attempt(action) {
  try {
    action();
  } catch (error) {
    if (!(error instanceof SkipError)) throw error;
    // a server's Content-Security-Policy without WebAssembly, or a browser without it
    $("verdict").className = "verdict invalid";
    $("verdict").textContent = `This page cannot check messages here: ${error.message}. ${error.hint}.`;
    $("problems").replaceChildren();
  }
}

function check() {
  const text = $("message").value;
  const messages = messagesOf(text);
  const rules = $("rules").value;
  const options = rules === "lenient" ? { lenient: true } : { schema: rules };
  const results = messages.map((message) => {
    const kind = $("kind").value || guessKind(message.text);
    return kind
      ? { ...message, kind, ...validate(kind, message.text, options) }
      : { ...message, valid: false, problems: null };
  });
  $("verdict").className = "verdict";
  $("problems").replaceChildren();
  if (text.trim() === "") {
    $("verdict").textContent = "Nothing to check yet.";
    return;
  }
  const good = results.filter((result) => result.valid).length;
  const all = good === results.length;
  $("verdict").classList.add(all ? "valid" : "invalid");
  $("verdict").textContent = summary(results, good);
  const items = results.flatMap((result) => itemsOf(result, results.length > 1));
  $("problems").append(...items.slice(0, LISTED));
  if (items.length > LISTED) $("problems").append(element("li", {}, `${items.length - LISTED} more are not listed.`));
}

function summary(results, good) {
  if (results.length > 1) return `${good} of ${results.length} messages are valid.`;
  const [{ kind, valid, problems }] = results;
  if (problems === null)
    return "Invalid: it has no member of any SKIP message. Say what it should be, under “Judge as”.";
  const count = (severity) => problems.filter((problem) => problem.severity === severity).length;
  const number = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
  const warnings = count("warning") > 0 ? `${valid ? ", with " : ", "}${number(count("warning"), "warning")}` : "";
  return valid
    ? `A valid ${kind} message${warnings}.`
    : `Not a valid ${kind} message: ${number(count("error"), "error")}${warnings}.`;
}

function itemsOf(result, several) {
  if (result.problems === null) {
    const text = `Line ${result.line} has no member of any SKIP message.`;
    return several ? [element("li", { className: "error" }, text)] : [];
  }
  const known = places(result.text);
  const found = result.problems.map((problem) => ({ problem, place: placeOf(problem, result.text, known) }));
  found.sort((a, b) => a.place[0] - b.place[0]);
  return found.map(({ problem, place }) => {
    const [start, end] = place.map((at) => at + result.start);
    const { line, column, excerpt } = describe($("message").value, start, end);
    const show = element(
      "button",
      { type: "button", onclick: () => select(start, end) },
      `line ${line}, column ${column}`,
    );
    show.setAttribute("aria-label", `show line ${line}, column ${column} in the message`);
    const section = element("a", { href: DRAFT + problem.section, rel: "noreferrer" }, `draft ${problem.section}`);
    return element(
      "li",
      { className: problem.severity },
      element(
        "p",
        {},
        element("span", { className: "severity" }, problem.severity),
        " ",
        element("span", { className: "path" }, problem.path || "whole message"),
        // the place is shown below, counted in the whole text
        ` ${problem.message.replace(/^line \d+, column \d+: /, "")}`,
      ),
      excerpt,
      element("div", { className: "details" }, show, section, element("code", {}, problem.code)),
    );
  });
}

/** Line and column of a place, and its line with the place marked; long lines are cut around it. */
function describe(text, start, end) {
  const before = text.slice(0, start);
  const lineStart = before.lastIndexOf("\n") + 1;
  const feed = text.indexOf("\n", start);
  const lineEnd = feed < 0 ? text.length : feed;
  const from = Math.max(lineStart, start - 40);
  const stop = Math.min(end, lineEnd, start + 120);
  const to = Math.min(lineEnd, stop + 40);
  const excerpt = element(
    "pre",
    {},
    (from > lineStart ? "…" : "") + text.slice(from, start),
    element("mark", {}, text.slice(start, stop)),
    text.slice(stop, to) + (to < lineEnd ? "…" : ""),
  );
  return { line: before.split("\n").length, column: Array.from(text.slice(lineStart, start)).length + 1, excerpt };
}

function select(start, end) {
  const area = $("message");
  area.focus();
  area.setSelectionRange(start, end);
  // browsers do not scroll to a selection automatically
  const line = area.value.slice(0, start).split("\n").length - 1;
  area.scrollTop = line * Number.parseFloat(getComputedStyle(area).lineHeight) - area.clientHeight / 2;
}

function match() {
  const lines = (id) =>
    $(id)
      .value.split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "");
  const entries = lines("patterns");
  const rows = lines("ids").map((id) => {
    const by = entries.filter((entry) => matchesRemote([entry], id));
    const verdict = by.length > 0 ? "matches" : "no match";
    const cells = [
      element("th", { scope: "row" }, element("code", {}, id)),
      element("td", { className: by.length > 0 ? "yes" : "no" }, verdict),
      element("td", {}, by.length > 0 ? by.join(", ") : "–"),
    ];
    return { matched: by.length > 0, row: element("tr", {}, ...cells) };
  });
  $("matches").replaceChildren(...rows.map(({ row }) => row));
  $("match-summary").textContent = `${rows.filter((row) => row.matched).length} of ${rows.length} ids match.`;
}

function take() {
  const lists = messagesOf($("message").value)
    .filter(({ text }) => guessKind(text) === "capabilities" && validate("capabilities", text).valid)
    .flatMap(({ text }) => JSON.parse(text).remoteSystemID);
  if (lists.length > 0) $("patterns").value = lists.join("\n");
  match();
  if (lists.length === 0) $("match-summary").textContent = "The message above is no valid capabilities message.";
}

async function read(file) {
  if (!file) return;
  if (file.size > LARGEST) {
    set("");
    $("verdict").textContent = "The file is larger than 5 MB: use the command skip-validate for it.";
    return;
  }
  set(await file.text());
}

function set(text) {
  $("message").value = text;
  attempt(check);
}

for (const id of ["message", "kind", "rules"]) $(id).addEventListener("input", () => attempt(check));
for (const id of ["patterns", "ids"]) $(id).addEventListener("input", () => attempt(match));
for (const button of document.querySelectorAll("[data-example]")) {
  button.addEventListener("click", () => set(EXAMPLES[button.dataset.example]));
}
$("clear").addEventListener("click", () => {
  $("file").value = "";
  set("");
});
$("take").addEventListener("click", () => attempt(take));
$("file").addEventListener("change", ({ target }) => read(target.files[0]));
for (const type of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(type, (event) => {
    event.preventDefault();
    document.body.classList.toggle("dropping", type === "dragover");
    if (type === "drop") read(event.dataTransfer.files[0]);
  });
}
attempt(check);
attempt(match);
