import texts from "./generated/schemas.js";
import type { MessageKind } from "./validate.js";

/** A JSON Schema. It is shared and frozen: copy it (`structuredClone`) to change it. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** The two JSON Schemas of a message. */
export interface SchemaPair {
  /** 2020-12, with the rules of this project as far as a schema can express them. */
  readonly strict: JsonSchema;
  /**
   * draft-04, with the constraints of the schemas in the draft (Figures 3, 5 and 7). They accept
   * more than one would expect: an empty list of remotes, any text as a key.
   */
  readonly asPublished: JsonSchema;
}

/** The JSON Schemas of the three messages. */
export const schemas: Readonly<Record<MessageKind, SchemaPair>> = /* @__PURE__ */ freeze(texts);

function freeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (typeof inner === "object" && inner !== null) freeze(inner);
  return Object.freeze(value);
}
