/** What ends a call: its deadline, and the signals of the client and the caller. */
import type { SkipError } from "../index.js";

/** Why a call ends before its reply. */
export type Ended = "deadline" | "cancelled";

export class Control {
  readonly #signals: readonly AbortSignal[];
  readonly #deadline: number;

  constructor(timeout: number, signals: readonly (AbortSignal | undefined)[]) {
    this.#deadline = performance.now() + timeout;
    this.#signals = signals.filter((signal) => signal !== undefined);
  }

  /** The remaining milliseconds. */
  left(): number {
    return this.#deadline - performance.now();
  }

  /** Why the call must not continue. */
  ended(): Ended | undefined {
    if (this.#signals.some((signal) => signal.aborted)) return "cancelled";
    return this.left() <= 0 ? "deadline" : undefined;
  }

  /**
   * Runs one step of the call until it completes, fails, takes longer than `limit` milliseconds, or
   * the call ends. `work` returns a function that stops it; `stopped` creates the error.
   */
  async step<T>(
    work: (done: (value: T) => void, failed: (error: unknown) => void) => () => void,
    stopped: (why: Ended) => SkipError,
    limit = Number.POSITIVE_INFINITY,
  ): Promise<T> {
    const already = this.ended();
    if (already !== undefined) throw stopped(already);
    return new Promise<T>((resolve, reject) => {
      let stop = (): void => {};
      let over = false;
      const settle = (act: () => void): void => {
        if (over) return;
        over = true;
        clearTimeout(timer);
        for (const signal of this.#signals) signal.removeEventListener("abort", abort);
        act();
      };
      const end = (why: Ended): void =>
        settle(() => {
          stop();
          reject(stopped(why));
        });
      const abort = (): void => end("cancelled");
      const timer = setTimeout(() => end("deadline"), Math.max(0, Math.min(this.left(), limit)));
      for (const signal of this.#signals) signal.addEventListener("abort", abort, { once: true });
      stop = work(
        (value) => settle(() => resolve(value)),
        (error) => settle(() => reject(error)),
      );
    });
  }
}
