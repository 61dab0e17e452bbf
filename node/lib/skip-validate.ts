#!/usr/bin/env node
/** The command `skip-validate`: messages in files or from stdin. */
import { createReadStream, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import {
  guessKind,
  type InvalidLine,
  type MessageKind,
  type Problem,
  SkipError,
  type ValidateOptions,
  validate,
  validateLines,
} from "./index.js";

const USAGE = `usage: skip-validate [options] [FILE...]

Checks messages of the Secure Key Integration Protocol (draft-cisco-skip-02) in files, or from stdin (no FILE, or -).
A file is one JSON document, or newline-delimited JSON; both are recognised.

  --type TYPE      capabilities, key or entropy; without it each message is judged as what it looks like
  --lines          the input is newline-delimited JSON
  --lenient        known deviations of real Key Providers pass
  --schema STYLE   strict (default), or as-published: no more than the schemas that the draft prints
  --json           one JSON object a file
  --color WHEN     auto (default: on a terminal, unless NO_COLOR is set), always or never
  --help, --version

Exit status: 0 all valid, 2 wrong use or a file that cannot be read, 5 something is invalid.
`;

const VALID = 0;
const WRONG_USE = 2;
const INVALID = 5;
/** So many invalid lines of one file are listed as text. */
const LISTED = 1000;

interface Report {
  file: string;
  /** What it was judged as, for a single message. */
  kind?: MessageKind;
  problems?: Problem[];
  /** How many messages there were in lines. */
  lines?: number;
  valid: boolean | number;
  invalid?: InvalidLine[];
}

async function main(): Promise<number> {
  const options = {
    type: { type: "string" },
    lines: { type: "boolean", default: false },
    lenient: { type: "boolean", default: false },
    schema: { type: "string", default: "strict" },
    json: { type: "boolean", default: false },
    color: { type: "string", default: "auto" },
    help: { type: "boolean", short: "h", default: false },
    version: { type: "boolean", default: false },
  } as const;
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  if (values.help) return print(USAGE);
  if (values.version) return print(`skip-validate ${version()}\n`);
  const rules = { strict: !values.lenient, schema: values.schema } as ValidateOptions;
  // also the arguments are judged by the library, before any file is read
  validate((values.type as MessageKind | undefined) ?? "key", "{}", rules);
  const paint = painter(values.color);

  let status = VALID;
  for (const file of positionals.length > 0 ? positionals : ["-"]) {
    const report = await judge(file, values.type as MessageKind | undefined, values.lines, rules);
    await print(values.json ? `${JSON.stringify(report)}\n` : text(report, paint));
    if (report.valid !== true && report.valid !== report.lines) status = INVALID;
  }
  return status;
}

/** Reads a file to its end, and judges lines as they come. */
async function judge(
  file: string,
  kind: MessageKind | undefined,
  asLines: boolean,
  rules: ValidateOptions,
): Promise<Report> {
  const name = file === "-" ? "stdin" : file;
  const stream = file === "-" ? process.stdin : createReadStream(file, { highWaterMark: 1 << 20 });
  const progress = new Progress(name);
  const total = { lines: 0, valid: 0, invalid: [] as InvalidLine[], before: 0 };
  let held = Buffer.alloc(0);
  let lines: boolean | null = asLines || null;
  for await (const chunk of stream) {
    held = held.length > 0 ? Buffer.concat([held, chunk]) : Buffer.from(chunk);
    lines ??= held.length > ENOUGH_TO_SEE ? areLines(held) : null;
    const end = held.lastIndexOf("\n") + 1;
    if (lines && end > 0) {
      addLines(total, held.subarray(0, end), kind, rules);
      held = held.subarray(end);
    }
    progress.show(chunk.length, total.lines);
  }
  progress.end();
  if (!(lines ?? areLines(held))) {
    const judgedAs = kind ?? guessKind(held);
    const { valid, problems } = judgedAs ? validate(judgedAs, held, rules) : { valid: false, problems: [UNKNOWN] };
    return judgedAs ? { file: name, kind: judgedAs, valid, problems } : { file: name, valid, problems };
  }
  addLines(total, held, kind, rules);
  return { file: name, lines: total.lines, valid: total.valid, invalid: total.invalid };
}

const ENOUGH_TO_SEE = 64 * 1024;

/** Newline-delimited JSON has a whole object in each of its first lines; one document over several lines has not. */
function areLines(bytes: Buffer): boolean {
  const first = bytes.subarray(0, ENOUGH_TO_SEE).toString("latin1").split("\n").slice(0, 20);
  const texts = first.map((line) => line.trim()).filter((line) => line !== "");
  return texts.length > 1 && texts.slice(0, 2).every((line) => line.startsWith("{") && line.endsWith("}"));
}

function addLines(
  total: { lines: number; valid: number; invalid: InvalidLine[]; before: number },
  bytes: Buffer,
  kind: MessageKind | undefined,
  rules: ValidateOptions,
): void {
  const parts = kind === undefined ? byKind(bytes) : [{ kind, bytes, lines: undefined }];
  for (const { kind, bytes, lines } of parts) {
    const found = kind
      ? validateLines(kind, bytes, rules)
      : { lines: lines.length, valid: 0, invalid: lines.map((_, i) => ({ line: i + 1, problems: [UNKNOWN] })) };
    total.lines += found.lines;
    total.valid += found.valid;
    for (const { line, problems } of found.invalid) {
      total.invalid.push({ line: total.before + (lines ? (lines[line - 1] as number) : line), problems });
    }
  }
  if (kind === undefined) total.invalid.sort((a, b) => a.line - b.line);
  total.before += count(bytes);
}

/** The lines of each kind, and their numbers among all; blank lines are left out. */
function byKind(bytes: Buffer): { kind: MessageKind | null; bytes: Buffer; lines: number[] }[] {
  const kinds = new Map<MessageKind | null, { parts: Buffer[]; lines: number[] }>();
  for (let start = 0, number = 1; start < bytes.length; number++) {
    const feed = bytes.indexOf("\n", start);
    const end = feed < 0 ? bytes.length : feed + 1;
    const line = bytes.subarray(start, end);
    start = end;
    if (line.every((byte) => byte === 32 || (byte >= 9 && byte <= 13))) continue;
    const kind = guessKind(line);
    const found = kinds.get(kind) ?? { parts: [], lines: [] };
    kinds.set(kind, found);
    found.parts.push(line);
    found.lines.push(number);
  }
  return [...kinds].map(([kind, { parts, lines }]) => ({ kind, bytes: Buffer.concat(parts), lines }));
}

function count(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf("\n"); at >= 0; at = bytes.indexOf("\n", at + 1)) lines++;
  return lines;
}

const UNKNOWN: Problem = {
  path: "",
  code: "unknown_type",
  message: "has no member of any SKIP message, so its type cannot be guessed: give --type",
  severity: "error",
  section: "4",
};

type Paint = (colour: keyof typeof COLOURS, text: string) => string;

const COLOURS = { error: "31;1", warning: "33", good: "32", dim: "2" };

function painter(when: string): Paint {
  if (!["auto", "always", "never"].includes(when)) throw new TypeError("--color: must be auto, always or never");
  const colours = when === "always" || (when === "auto" && process.stdout.isTTY && !process.env.NO_COLOR);
  return (colour, text) => (colours ? `\x1b[${COLOURS[colour]}m${text}\x1b[0m` : text);
}

function text({ file, kind, problems = [], lines, valid, invalid = [] }: Report, paint: Paint): string {
  const line = (at: string, { severity, path, message, code, section }: Problem): string => {
    const place = path && `${path}: `;
    return `${at}: ${paint(severity, severity)}: ${place}${message} ${paint("dim", `[${code}, draft ${section}]`)}\n`;
  };
  const verdict = (good: boolean, text: string): string => `${file}: ${paint(good ? "good" : "error", text)}\n`;
  if (lines === undefined) {
    const listed = problems.map((problem) => line(file, problem)).join("");
    return listed + verdict(valid === true, `${valid ? "valid" : "invalid"}${kind ? ` (${kind})` : ""}`);
  }
  const listed = invalid.slice(0, LISTED).flatMap((one) => one.problems.map((p) => line(`${file}:${one.line}`, p)));
  const more = invalid.length - LISTED;
  const rest = more > 0 ? `${file}: ${more} more invalid lines are not listed; --json has them\n` : "";
  return listed.join("") + rest + verdict(valid === lines, `${valid} of ${lines} messages are valid`);
}

/** On a terminal, what was read so far, once it takes longer than a second. */
class Progress {
  readonly #name: string;
  #begun = Date.now();
  #read = 0;
  #shown = false;

  constructor(name: string) {
    this.#name = name;
  }

  show(bytes: number, lines: number): void {
    this.#read += bytes;
    if (!process.stderr.isTTY || Date.now() - this.#begun < (this.#shown ? 200 : 1000)) return;
    this.#begun = Date.now();
    this.#shown = true;
    process.stderr.write(`\r\x1b[K${this.#name}: ${Math.floor(this.#read / 1e6)} MB, ${lines} messages`);
  }

  end(): void {
    if (this.#shown) process.stderr.write("\r\x1b[K");
  }
}

function version(): string {
  return JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")).version;
}

function print(text: string): Promise<number> {
  return new Promise((done) => process.stdout.write(text, () => done(VALID)));
}

// a reader that has seen enough, such as head, is no error
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? VALID : WRONG_USE));

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof Error)) throw error;
  const hint = error instanceof SkipError ? error.hint : "skip-validate --help says how it is used";
  process.stderr.write(`error: ${error.message}\nhint: ${hint}\n`);
  process.exitCode = WRONG_USE;
}
