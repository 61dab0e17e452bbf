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
import { cancelled, clientClosed, wrong } from "./errors.js";
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

/** What one call may have of its own. */
export interface CallOptions {
  /** Milliseconds for the whole call, instead of the client's `timeout`. */
  timeout?: number | undefined;
  /** Ends the call when it is aborted: `connection_lost`, with the advice that fits what was sent by then. */
  signal?: AbortSignal | undefined;
}

interface Provider {
  place: Place;
  /** State is kept for each endpoint: draft 4.1.1 lets a localSystemID be unique for a connection only. */
  capabilities?: Capabilities;
  unreachableSince?: number;
}

/** How long a Key Provider that could not be reached is tried last instead of first. */
const REST = 30_000;
/** The longest single wait that a Key Provider may ask for. */
const RETRY_AFTER_CAP = 30_000;

/**
 * A client of a Key Provider over Node's TLS: one connection a request, each request sent once, one deadline a call.
 *
 * All failures are `SkipError`, with `code`, `hint`, `advice` (what to ask next) and `status`.
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
    if (urls.length === 0) throw wrong("url", "must not be an empty list", "for example https://kp-alice:8443");
    this.#providers = urls.map((one) => ({ place: placeOf(one) }));
    this.#settings = settingsOf(options);
  }

  /** What the Key Provider offers (draft 4.1): fetched once, then remembered, unless `refresh` asks again. */
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

  /** The key that the initiator got from the Key Provider `remote` under `keyId` (draft 4.2). A Key Provider gives it once. */
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

  /** How the last connection was made; `undefined` before the first one. */
  get connection(): ConnectionInfo | undefined {
    return this.#connection;
  }

  /** Ends the running calls; later ones fail with `invalid_argument`. */
  close(): void {
    this.#closed.abort();
  }

  /** The same as `close()`, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  #control(options: CallOptions, more: readonly string[] = []): Control {
    if (this.#closed.signal.aborted) throw clientClosed();
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

  /** Asks the first provider that can be reached; the next one only while no byte of a request has gone out. */
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

  /** Refuses what the Key Provider says it does not offer, before a key is used up. A `no` from memory is asked again. */
  async #checkOffer(provider: Provider, request: RequestOptions, control: Control): Promise<void> {
    if (!this.#settings.checkRemote) return;
    const known = provider.capabilities;
    if (known && !refusal(known, request)) return;
    const error = refusal(await this.#fetchCapabilities(provider, control), request);
    if (error) throw error;
  }

  /** One request and its answer; a busy Key Provider is asked again only for as long as the caller wants to wait. */
  async #exchange<Options extends RequestOptions>(
    { place }: Provider,
    request: SkipRequest<Options>,
    control: Control,
  ): Promise<Answer<Options>> {
    for (let patience = this.#settings.waitWhenBusy; ; ) {
      const { socket, info } = await connect(place, this.#settings, control).catch((error) => {
        throw error instanceof SkipError && error.code !== "invalid_argument" ? new Unreachable(error) : error;
      });
      this.#connection = info;
      this.#settings.log.connected(info);
      const { status, headers, body } = await exchange(socket, place, request as unknown as SkipRequest, control);
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

/** A failure before the first byte of a request: another Key Provider may be asked instead. */
class Unreachable extends Error {
  override readonly cause: SkipError;

  constructor(cause: SkipError) {
    super();
    this.cause = cause;
  }
}

function refusal(capabilities: Capabilities, request: RequestOptions): SkipError | undefined {
  const hint = "ask another Key Provider; if the capabilities are wrong, switch the check off (checkRemote: false)";
  const says = "the Key Provider's capabilities say that it does not offer";
  if (request.kind === "entropy") {
    if (capabilities.supportsEntropy) return undefined;
    return new SkipError({ code: "not_supported", message: `${says} entropy`, hint, advice: "no" });
  }
  if (request.kind === "capabilities") return undefined;
  if (!capabilities.supportsKey) {
    return new SkipError({ code: "not_supported", message: `${says} keys`, hint, advice: "no" });
  }
  // draft 4.1.2: the list names the KPs, or patterns of them, that share keys with this one
  if (matchesRemote(capabilities.remoteSystemIds, request.remote)) return undefined;
  const [ids, more] = [capabilities.remoteSystemIds.slice(0, 5).map(shown), capabilities.remoteSystemIds.length - 5];
  if (more > 0) ids.push(`${more} more`);
  const has = ids.length === 0 ? "is empty" : `has ${ids.join(", ")}`;
  return new SkipError({
    code: "unknown_remote",
    message: `no entry of the Key Provider's remoteSystemID list matches the remote ${shown(request.remote)}; the list ${has}`,
    hint: "compare with capabilities().remoteSystemIds; ids are case-sensitive; checkRemote: false switches the check off",
    advice: "no",
  });
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
