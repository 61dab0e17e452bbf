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
A file is one JSON document, or newline-delimited JSON; the form is detected.

  --type TYPE      capabilities, key or entropy; by default guessed for each message
  --lines          the input is newline-delimited JSON
  --lenient        accept known deviations of real Key Providers
  --schema STYLE   strict (default), or as-published: only the constraints of the draft's schemas
  --json           one JSON object per file
  --color WHEN     auto (default: on a terminal, unless NO_COLOR is set), always or never
  --help, --version

Exit status: 0 all valid, 2 usage error or a file that cannot be read, 5 something is invalid.
`;

const VALID = 0;
const WRONG_USE = 2;
const INVALID = 5;
/** The maximum number of invalid lines listed as text per file. */
const LISTED = 1000;

/** The largest message that is validated; even after one more read, the library still accepts it. */
const LARGEST = 15 * 1024 * 1024;

interface Report {
  file: string;
  /** The kind that it was validated as. */
  kind?: MessageKind;
  problems: Problem[];
  valid: boolean;
}

/** Receives the result for each line as it is read: nothing is collected, so a file may have any number of lines. */
interface Listing {
  begin(): Promise<void>;
  lines(invalid: InvalidLine[]): Promise<void>;
  end(lines: number, valid: number): Promise<void>;
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
  const kind = values.type as MessageKind | undefined;
  const rules = { lenient: values.lenient, schema: values.schema } as ValidateOptions;
  // the library also validates the arguments, before any file is read
  validate(kind ?? "key", "{}", rules);
  const paint = painter(values.color);

  let status = VALID;
  for (const file of positionals.length > 0 ? positionals : ["-"]) {
    const name = file === "-" ? "stdin" : file;
    const listing = values.json ? jsonListing(name) : textListing(name, paint);
    try {
      const report = await judge(file, name, kind, values.lines, rules, listing);
      if (typeof report !== "boolean") await print(values.json ? `${JSON.stringify(report)}\n` : text(report, paint));
      if (status === VALID && !(typeof report === "boolean" ? report : report.valid)) status = INVALID;
    } catch (error) {
      // the other files are still validated
      fail(error);
      status = WRONG_USE;
    }
  }
  return status;
}

/** Reads a file to its end and validates lines as they are read: the report on one message, or whether all lines are valid. */
async function judge(
  file: string,
  name: string,
  kind: MessageKind | undefined,
  asLines: boolean,
  rules: ValidateOptions,
  listing: Listing,
): Promise<Report | boolean> {
  const stream = file === "-" ? process.stdin : createReadStream(file);
  const progress = new Progress(name);
  const total = { lines: 0, valid: 0, before: 0 };
  let held = Buffer.alloc(0);
  /** Inside a line, or a document, that is too large and is skipped. */
  let skipping = false;
  let lines: boolean | null = asLines || null;
  const begin = async (): Promise<void> => {
    if (total.lines === 0 && total.before === 0) await listing.begin();
  };
  const add = async (bytes: Buffer): Promise<void> => {
    await begin();
    await listing.lines(addLines(total, bytes, kind, rules));
  };
  for await (const chunk of stream) {
    held = held.length > 0 ? Buffer.concat([held, chunk]) : Buffer.from(chunk);
    lines ??= held.length > ENOUGH_TO_SEE ? areLines(held) : null;
    if (skipping) {
      const feed = lines ? held.indexOf("\n") : -1;
      skipping = feed < 0;
      held = held.subarray(feed < 0 ? held.length : feed + 1);
      if (!skipping) total.before++;
    }
    const end = lines && !skipping ? held.lastIndexOf("\n") + 1 : 0;
    if (end > 0) {
      await add(held.subarray(0, end));
      held = held.subarray(end);
    }
    if (held.length > LARGEST) {
      if (lines) {
        await begin();
        total.lines++;
        await listing.lines([{ line: total.before + 1, problems: [TOO_LARGE] }]);
      }
      held = Buffer.alloc(0);
      skipping = true;
    }
    progress.show(chunk.length, total.lines);
  }
  progress.end();
  if (!(lines ?? areLines(held))) {
    if (skipping) return { file: name, valid: false, problems: [TOO_LARGE] };
    const judgedAs = kind ?? guessKind(held);
    const { valid, problems } = judgedAs ? validate(judgedAs, held, rules) : { valid: false, problems: [UNKNOWN] };
    return judgedAs ? { file: name, kind: judgedAs, valid, problems } : { file: name, valid, problems };
  }
  await add(held);
  await listing.end(total.lines, total.valid);
  return total.valid === total.lines;
}

const ENOUGH_TO_SEE = 64 * 1024;

/** Newline-delimited JSON has a whole object in each of its first lines; a document over several lines does not. */
function areLines(bytes: Buffer): boolean {
  const first = bytes.subarray(0, ENOUGH_TO_SEE).toString("latin1").split("\n").slice(0, 20);
  const texts = first.map((line) => line.trim()).filter((line) => line !== "");
  return texts.length > 1 && texts.slice(0, 2).every((line) => line.startsWith("{") && line.endsWith("}"));
}

/** Counts the lines of whole bytes, and returns the invalid ones. */
function addLines(
  total: { lines: number; valid: number; before: number },
  bytes: Buffer,
  kind: MessageKind | undefined,
  rules: ValidateOptions,
): InvalidLine[] {
  const parts = kind === undefined ? byKind(bytes) : [{ kind, bytes, lines: undefined }];
  const invalid: InvalidLine[] = [];
  for (const { kind, bytes, lines } of parts) {
    const found = kind
      ? validateLines(kind, bytes, rules)
      : { lines: lines.length, valid: 0, invalid: lines.map((_, i) => ({ line: i + 1, problems: [UNKNOWN] })) };
    total.lines += found.lines;
    total.valid += found.valid;
    for (const { line, problems } of found.invalid) {
      invalid.push({ line: total.before + (lines ? (lines[line - 1] as number) : line), problems });
    }
  }
  total.before += count(bytes);
  return kind === undefined ? invalid.sort((a, b) => a.line - b.line) : invalid;
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

const TOO_LARGE: Problem = {
  path: "",
  code: "too_large",
  message: "is larger than 15 MiB: no SKIP message comes near",
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

const line = (at: string, { severity, path, message, code, section }: Problem, paint: Paint): string => {
  const place = path && `${path}: `;
  return `${at}: ${paint(severity, severity)}: ${place}${message} ${paint("dim", `[${code}, draft ${section}]`)}\n`;
};

const verdict = (file: string, good: boolean, text: string, paint: Paint): string =>
  `${file}: ${paint(good ? "good" : "error", text)}\n`;

function text({ file, kind, problems, valid }: Report, paint: Paint): string {
  const listed = problems.map((problem) => line(file, problem, paint)).join("");
  return listed + verdict(file, valid, `${valid ? "valid" : "invalid"}${kind ? ` (${kind})` : ""}`, paint);
}

function textListing(file: string, paint: Paint): Listing {
  let seen = 0;
  return {
    begin: async () => {},
    async lines(invalid) {
      const listed = invalid.slice(0, Math.max(0, LISTED - seen));
      seen += invalid.length;
      const texts = listed.flatMap((one) => one.problems.map((p) => line(`${file}:${one.line}`, p, paint)));
      if (texts.length > 0) await print(texts.join(""));
    },
    async end(lines, valid) {
      const more = seen - LISTED;
      const rest = more > 0 ? `${file}: ${more} more invalid lines are not listed; --json has them\n` : "";
      await print(rest + verdict(file, valid === lines, `${valid} of ${lines} messages are valid`, paint));
    },
  };
}

/** One object, written incrementally. */
function jsonListing(file: string): Listing {
  let comma = "";
  return {
    async begin() {
      await print(`{"file":${JSON.stringify(file)},"invalid":[`);
    },
    async lines(invalid) {
      if (invalid.length === 0) return;
      await print(comma + invalid.map((one) => JSON.stringify(one)).join(","));
      comma = ",";
    },
    async end(lines, valid) {
      await print(`],"lines":${lines},"valid":${valid}}\n`);
    },
  };
}

/** Shows on a terminal how much was read, once it takes longer than a second. */
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

// a reader that closes the pipe early, such as head, is not an error
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? VALID : WRONG_USE));

function fail(error: unknown): void {
  if (!(error instanceof Error)) throw error;
  const hint = error instanceof SkipError ? error.hint : "skip-validate --help says how it is used";
  process.stderr.write(`error: ${error.message}\nhint: ${hint}\n`);
}

try {
  process.exitCode = await main();
} catch (error) {
  fail(error);
  process.exitCode = WRONG_USE;
}
