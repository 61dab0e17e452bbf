import { invalidArgument, SkipError } from "./errors.js";
import { bytesOf } from "./internal/input.js";
import type { Messages } from "./messages.js";
import { type JsonSchema, schemas } from "./schemas.js";
import { type MessageKind, type Problem, validate } from "./validate.js";

/** One problem, in the form of Standard Schema. Only errors are issues; warnings do not make a message invalid. */
export interface StandardIssue {
  readonly message: string;
  readonly path: readonly string[];
}

/** A schema for libraries that support Standard Schema v1, with the export of Standard JSON Schema v1. */
export interface StandardSchema<Input, Output> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: "skip-client";
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
    /** Validates a parsed value, text or bytes by the strict rules. The output is the parsed message. */
    readonly validate: (
      value: unknown,
    ) => { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly StandardIssue[] };
    /** The strict JSON Schema, for the targets `draft-2020-12` and `draft-07`; others throw. */
    readonly jsonSchema: {
      readonly input: (options: { readonly target: string }) => Record<string, unknown>;
      readonly output: (options: { readonly target: string }) => Record<string, unknown>;
    };
  };
}

/** The three messages as Standard Schemas: `standard.key["~standard"].validate(body)`. */
export const standard: {
  readonly [Kind in MessageKind]: StandardSchema<Messages[Kind], Messages[Kind]>;
} = /* @__PURE__ */ (() => ({
  capabilities: standardOf("capabilities"),
  key: standardOf("key"),
  entropy: standardOf("entropy"),
}))();

function standardOf<Kind extends MessageKind>(kind: Kind): StandardSchema<Messages[Kind], Messages[Kind]> {
  const jsonSchema = (options: { readonly target: string }): Record<string, unknown> => {
    // the strict schemas use only features of draft-07
    const dialect = DIALECTS.get(options?.target);
    if (dialect === undefined) {
      throw invalidArgument("target", "must be draft-2020-12 or draft-07", "ask for a target that the library takes");
    }
    return { ...(structuredClone(schemas[kind].strict) as JsonSchema), $schema: dialect };
  };
  return {
    "~standard": {
      version: 1,
      vendor: "skip-client",
      validate: (value) => {
        try {
          const { valid, problems } = validate(kind, value);
          return valid ? { value: parsed(value) as Messages[Kind] } : { issues: issues(problems) };
        } catch (error) {
          if (error instanceof SkipError) return { issues: [{ message: error.message, path: [] }] };
          throw error;
        }
      },
      jsonSchema: { input: jsonSchema, output: jsonSchema },
    },
  };
}

const DIALECTS = /* @__PURE__ */ new Map([
  ["draft-2020-12", "https://json-schema.org/draft/2020-12/schema"],
  ["draft-07", "http://json-schema.org/draft-07/schema#"],
]);

function parsed(value: unknown): unknown {
  if (typeof value === "string") return JSON.parse(value);
  const bytes = bytesOf(value);
  return bytes === null ? value : JSON.parse(new TextDecoder().decode(bytes));
}

function issues(problems: Problem[]): StandardIssue[] {
  const errors = problems.filter((problem) => problem.severity === "error");
  return errors.map(({ message, path }) => ({ message, path: steps(path) }));
}

/** The steps of a JSON Pointer (RFC 6901). */
function steps(pointer: string): string[] {
  const plain = (step: string): string => step.replaceAll("~1", "/").replaceAll("~0", "~");
  return pointer.split("/").slice(1).map(plain);
}
