/**
 * One request and its reply on a fresh connection, which is closed afterwards: nothing of one reply can be taken for another's. A
 * GET makes a key or uses one up, so it is sent once, without redirects and without a second try.
 */
import http from "node:http";
import { type Advice, parseResponse, type RequestOptions, type SkipError, type SkipRequest } from "../index.js";
import type { Connected } from "./connect.js";
import type { Control } from "./control.js";
import { cancelled, connectionLost, failure, isRefusal, notHttp, replyLate } from "./errors.js";
import type { Place } from "./options.js";

const BODY_LIMIT = 64 * 1024;
const HEADER_LIMIT = 16 * 1024;
const HEADER_COUNT = 128;
const INTERIM_LIMIT = 8;

export interface Reply {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
}

/** What to advise when the reply to a request is lost. */
function adviceWhenLost(request: RequestOptions): Advice {
  // draft 4.2.2: the Key Provider may have given the key out and wiped it
  return request.kind === "newKey" || request.kind === "keyById" ? "new_key" : "same_request";
}

/** The caller wipes the body. */
export async function exchange(
  { socket, explain }: Connected,
  place: Place,
  request: SkipRequest<RequestOptions>,
  control: Control,
): Promise<Reply> {
  const advice = adviceWhenLost(request);
  const chunks: Buffer[] = [];
  try {
    return await control.step<Reply>(
      (done, failed) => {
        const lost = (error: NodeJS.ErrnoException): SkipError => {
          const { code } = error;
          if (code === "HPE_HEADER_OVERFLOW") return failure("headersTooLarge");
          // an end in the middle of the head is HTTP that cannot be parsed to Node
          if (code?.startsWith("HPE_") && code !== "HPE_INVALID_EOF_STATE") return notHttp(code);
          // in TLS 1.3 the client's certificate is refused after the handshake
          return isRefusal(code) ? explain(code) : connectionLost(advice);
        };
        const call = http.request({
          createConnection: () => socket,
          method: request.method,
          path: `${place.path}${request.target}`,
          headers: { host: place.authority, ...request.headers, "user-agent": "skip-client", connection: "close" },
          maxHeaderSize: HEADER_LIMIT,
          insecureHTTPParser: false,
        });
        let interim = 0;
        call.on("information", ({ statusCode }) => {
          interim += 1;
          if (interim > INTERIM_LIMIT) fail(unexpected(request, statusCode));
        });
        call.on("upgrade", () => fail(unexpected(request, 101)));
        call.on("error", (error) => fail(lost(error)));
        call.on("response", (reply) => read(reply, chunks, advice, lost, done, fail));
        call.end();
        const fail = (error: unknown): void => {
          call.destroy();
          failed(error);
        };
        return () => call.destroy();
      },
      (why) => (why === "deadline" ? replyLate(advice) : cancelled(advice)),
    );
  } finally {
    for (const chunk of chunks) chunk.fill(0);
    socket.destroySoon();
  }
}

function read(
  reply: http.IncomingMessage,
  chunks: Buffer[],
  advice: Advice,
  lost: (error: NodeJS.ErrnoException) => SkipError,
  done: (reply: Reply) => void,
  failed: (error: unknown) => void,
): void {
  const { headers, rawHeaders } = reply;
  const status = reply.statusCode as number;
  const untilClose = headers["content-length"] === undefined && headers["transfer-encoding"] === undefined;
  let length = 0;
  const finish = (error?: unknown): void => {
    // the status says more than a body that went wrong
    if (error !== undefined && status === 200) {
      failed(error);
      return;
    }
    const body = Buffer.concat(chunks).subarray(0, BODY_LIMIT);
    if (status === 200 && untilClose && isCutOff(body)) {
      body.fill(0);
      failed(connectionLost(advice));
      return;
    }
    done({ status, headers, body });
  };
  if (rawHeaders.length > 2 * HEADER_COUNT) {
    failed(failure("headersTooLarge"));
    return;
  }
  if (Number(headers["content-length"] ?? 0) > BODY_LIMIT && status === 200) {
    failed(failure("bodyTooLarge"));
    return;
  }
  reply.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    length += chunk.length;
    if (length > BODY_LIMIT) finish(failure("bodyTooLarge"));
  });
  reply.on("end", () => (reply.complete ? finish() : finish(connectionLost(advice))));
  // a reset ends a body without a length too; whether it is whole is asked next
  reply.on("error", (error) => (untilClose && status === 200 ? finish() : finish(lost(error))));
}

/** Whether a JSON document ends before it is complete, so that more of it may have been lost on the way. */
function isCutOff(text: Uint8Array): boolean {
  let [depth, seen, quoted] = [0, false, false];
  for (let at = 0; at < text.length; at++) {
    const c = text[at];
    if (quoted) {
      if (c === BACKSLASH) at++;
      else if (c === QUOTE) quoted = false;
    } else if (c === QUOTE) quoted = seen = true;
    else if (c === 0x7b || c === 0x5b) depth++;
    else if (c === 0x7d || c === 0x5d) depth--;
    if (c !== undefined && c > 0x20) seen = true;
  }
  return !seen || quoted || depth > 0;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** The core's error for a status that SKIP has no meaning for. */
function unexpected(request: RequestOptions, status: number): unknown {
  try {
    return parseResponse(request, status, {}, "");
  } catch (error) {
    return error;
  }
}
