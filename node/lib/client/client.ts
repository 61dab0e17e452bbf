/** A client of one Key Provider, or of several in order of preference. */
import {
  type Answer,
  buildRequest,
  type Capabilities,
  type Entropy,
  type Key,
  matchesRemote,
  parseResponse,
  type RequestOptions,
  SkipError,
  type SkipRequest,
} from "../index.js";
import { connect } from "./connect.js";
import type { ConnectionInfo } from "./connection.js";
import { Control } from "./control.js";
import { cancelled, failure } from "./errors.js";
import { exchange } from "./http.js";
import {
  type ClientOptions,
  checkNames,
  type Place,
  placeOf,
  type Settings,
  settingsOf,
  signalOf,
  time,
} from "./options.js";

/** The options of a single call. */
export interface CallOptions {
  /** Milliseconds for the whole call, instead of the client's `timeout`. */
  timeout?: number | undefined;
  /** Aborting it cancels the call: `connection_lost`, with advice that depends on what was already sent. */
  signal?: AbortSignal | undefined;
}

interface Provider {
  place: Place;
  /** State is kept for each endpoint: draft 4.1.1 lets a localSystemID be unique for a connection only. */
  capabilities?: Capabilities;
  unreachableSince?: number;
}

/** How long an unreachable Key Provider is tried last instead of first. */
const REST = 30_000;
/** The longest single wait that a Key Provider may request. */
const RETRY_AFTER_CAP = 30_000;

/**
 * A client of a Key Provider over Node's TLS: one connection per request, each request sent once, one deadline per call.
 *
 * All errors are `SkipError`, with `code`, `hint`, `advice` (what to request next) and `status`.
 */
export class Client {
  readonly #providers: Provider[];
  readonly #settings: Settings;
  readonly #closed = new AbortController();
  #connection: ConnectionInfo | undefined;

  /**
   * @param url `https://host[:port][/path]` of the Key Provider, or several in order of preference.
   * @throws {SkipError} `invalid_argument`.
   */
  constructor(url: string | readonly string[], options: ClientOptions = {}) {
    const urls = Array.isArray(url) ? url : [url];
    if (urls.length === 0) throw failure("urlMissing");
    this.#providers = urls.map((one) => ({ place: placeOf(one) }));
    this.#settings = settingsOf(options);
  }

  /** The Key Provider's capabilities (draft 4.1): fetched once, then cached; `refresh` fetches them again. */
  async capabilities(options: CallOptions & { refresh?: boolean | undefined } = {}): Promise<Capabilities> {
    const control = this.#control(options, ["refresh"]);
    return this.#onFirst(control, async (provider) =>
      options.refresh ? this.#fetchCapabilities(provider, control) : await this.#known(provider, control),
    );
  }

  /**
   * A fresh key, shared with the Key Provider `remote` (draft 4.2), of `size` bits (a multiple of 8 from 8 to 65536) or of the
   * Key Provider's default length.
   */
  async newKey(remote: string, options: CallOptions & { size?: number | undefined } = {}): Promise<Key> {
    const control = this.#control(options, ["size"]);
    const { lenient } = this.#settings;
    return this.#ask(buildRequest({ kind: "newKey", remote, size: options.size, lenient }), control);
  }

  /** The key that the initiator got from the Key Provider `remote` with `keyId` (draft 4.2), handed out once. */
  async keyById(keyId: string, remote: string, options: CallOptions = {}): Promise<Key> {
    const control = this.#control(options);
    const { lenient } = this.#settings;
    return this.#ask(buildRequest({ kind: "keyById", keyId, remote, lenient }), control);
  }

  /** Random bytes with at least `bits` bits of entropy (a multiple of 8 from 8 to 65536), or the default (draft 4.3). */
  async entropy(bits?: number, options: CallOptions = {}): Promise<Entropy> {
    const control = this.#control(options);
    return this.#ask(buildRequest({ kind: "entropy", bits, lenient: this.#settings.lenient }), control);
  }

  /** Information about the last connection; `undefined` before the first one. */
  get connection(): ConnectionInfo | undefined {
    return this.#connection;
  }

  /** Cancels the running calls; later ones fail with `invalid_argument`. */
  close(): void {
    this.#closed.abort();
  }

  /** The same as `close()`, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  #control(options: CallOptions, more: readonly string[] = []): Control {
    if (this.#closed.signal.aborted) throw failure("clientClosed");
    checkNames(options, ["timeout", "signal", ...more]);
    const timeout = time("timeout", options.timeout, this.#settings.timeout);
    return new Control(timeout, [this.#closed.signal, this.#settings.signal, signalOf(options.signal)]);
  }

  async #ask<Options extends RequestOptions>(
    request: SkipRequest<Options>,
    control: Control,
  ): Promise<Answer<Options>> {
    return this.#onFirst(control, async (provider) => {
      await this.#checkOffer(provider, request as unknown as RequestOptions, control);
      return this.#exchange(provider, request, control);
    });
  }

  /** Uses the first Key Provider that can be reached; the next one only while no byte of a request has been sent. */
  async #onFirst<T>(control: Control, ask: (provider: Provider) => Promise<T>): Promise<T> {
    const now = performance.now();
    const rests = ({ unreachableSince: since }: Provider): boolean => since !== undefined && now - since < REST;
    const [ready, resting] = [this.#providers.filter((one) => !rests(one)), this.#providers.filter(rests)];
    let last: unknown;
    const order = [...ready, ...resting];
    for (const [index, provider] of order.entries()) {
      try {
        const answer = await ask(provider);
        delete provider.unreachableSince;
        return answer;
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error;
        provider.unreachableSince = performance.now();
        last = error.cause;
        if (control.ended()) break;
        const next = order[index + 1];
        if (next) this.#settings.log.tryingNext(provider.place.url, error.cause, next.place.url);
      }
    }
    throw last;
  }

  async #known(provider: Provider, control: Control): Promise<Capabilities> {
    return provider.capabilities ?? this.#fetchCapabilities(provider, control);
  }

  async #fetchCapabilities(provider: Provider, control: Control): Promise<Capabilities> {
    const request = buildRequest({ kind: "capabilities", lenient: this.#settings.lenient });
    provider.capabilities = await this.#exchange(provider, request, control);
    return provider.capabilities;
  }

  /** Refuses what the capabilities exclude, before a key is used up. Cached capabilities that exclude it are refreshed first. */
  async #checkOffer(provider: Provider, request: RequestOptions, control: Control): Promise<void> {
    if (!this.#settings.checkRemote) return;
    const known = provider.capabilities;
    if (known && !refusal(known, request)) return;
    const error = refusal(await this.#fetchCapabilities(provider, control), request);
    if (error) throw error;
  }

  /** One request and its reply; a busy Key Provider is asked again only within the caller's waiting time. */
  async #exchange<Options extends RequestOptions>(
    { place }: Provider,
    request: SkipRequest<Options>,
    control: Control,
  ): Promise<Answer<Options>> {
    for (let patience = this.#settings.waitWhenBusy; ; ) {
      const connected = await connect(place, this.#settings, control).catch((error) => {
        throw error instanceof SkipError && error.code !== "invalid_argument" ? new Unreachable(error) : error;
      });
      this.#connection = connected.info;
      this.#settings.log.connected(connected.info);
      const { status, headers, body } = await exchange(connected, place, request as unknown as SkipRequest, control);
      try {
        return parseResponse(request as unknown as Options, status, headers, body);
      } catch (error) {
        const pause = retryAfter(headers["retry-after"]);
        const busy = error instanceof SkipError && error.code === "busy";
        if (!busy || patience < pause || control.left() <= pause) throw error;
        patience -= pause;
        this.#settings.log.waiting(place.url, pause);
        await control.step<void>(
          (done) => {
            const timer = setTimeout(done, pause);
            return () => clearTimeout(timer);
          },
          () => cancelled("same_request"),
        );
      } finally {
        body.fill(0);
      }
    }
  }
}

/** A failure before the first byte of a request: another Key Provider may be used instead. */
class Unreachable extends Error {
  override readonly cause: SkipError;

  constructor(cause: SkipError) {
    super();
    this.cause = cause;
  }
}

function refusal(capabilities: Capabilities, request: RequestOptions): SkipError | undefined {
  if (request.kind === "capabilities") return undefined;
  if (request.kind === "entropy") {
    return capabilities.supportsEntropy ? undefined : failure("notSupported", { what: "entropy" });
  }
  if (!capabilities.supportsKey) return failure("notSupported", { what: "keys" });
  // draft 4.1.2: the list names the KPs, or patterns of them, that share keys with this one
  if (matchesRemote(capabilities.remoteSystemIds, request.remote)) return undefined;
  const [ids, more] = [capabilities.remoteSystemIds.slice(0, 5).map(shown), capabilities.remoteSystemIds.length - 5];
  if (more > 0) ids.push(`${more} more`);
  const list = ids.length === 0 ? "is empty" : `has ${ids.join(", ")}`;
  return failure("unknownRemote", { remote: shown(request.remote), list });
}

/** An id for a message: printable, not too long, and nothing that looks like a secret. */
function shown(id: string): string {
  if (/[0-9a-f]{32}/i.test(id)) return "[redacted]";
  const text = JSON.stringify(id.slice(0, 64)).slice(1, -1);
  return id.length > 64 ? `${text}…` : text;
}

/** The milliseconds of a Retry-After header: at least a second, at most 30; a date counts as one second. */
function retryAfter(value: string | undefined): number {
  const seconds = /^\d+$/.test(value ?? "") ? Number(value) : 1;
  return Math.min(Math.max(seconds * 1000, 1000), RETRY_AFTER_CAP);
}
