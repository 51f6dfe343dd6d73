// Inspects a film without playing it: what it contains, and what can play it.
//
// A worker reads the film's head. It lives until `signal` is aborted or an engine takes it over
// (`engine.adopt(inspection)`, then `open`).

import type { Film as Inspected, FromWorker, ToWorker, Verdict } from "../../media/protocol";
import type { Film } from "./engine";
import { isFinal, troubleWords } from "./words";

/** Types for which only the `<video>` itself can say whether it plays them. */
const ELEMENT_TYPES = [
  'video/webm; codecs="vp8"',
  'audio/webm; codecs="vorbis"',
  'audio/wav; codecs="1"',
  "audio/mpeg",
];

/** Starts the media worker. */
export const startWorker = (): Worker => new Worker("media.js", { type: "module" });

/** The worker's first message for a film. */
export function opening(
  url: string,
  canPlay: (type: string) => string = (type) => document.createElement("video").canPlayType(type),
): ToWorker {
  return { kind: "open", url, elementTypes: ELEMENT_TYPES.filter((type) => canPlay(type) !== "") };
}

/** A film could not be inspected. The message is a sentence for the user. */
export class InspectionFailed extends Error {
  constructor(
    words: string,
    /** Trying again would fail in the same way. */
    readonly isFinal: boolean,
  ) {
    super(words);
  }
}

/** The result of an inspection, with the worker that made it. */
export class Inspection {
  private readonly asked = new Map<number, (seconds: number | undefined) => void>();
  private next = 0;

  constructor(
    /** The film's path, by which an engine recognizes the film that it opens. */
    readonly path: string,
    readonly film: Inspected,
    readonly verdict: Verdict,
    private url: string,
    private worker: Worker | undefined,
    signal: AbortSignal,
  ) {
    worker?.addEventListener("message", this.hear);
    signal.addEventListener("abort", () => this.take()?.terminate(), { once: true });
    if (signal.aborted) this.take()?.terminate();
  }

  /**
   * The film's length in seconds. If the head lacks it, the film's end is read. `undefined` if that
   * does not tell either.
   */
  length(): Promise<number | undefined> {
    const { worker } = this;
    if (this.film.duration !== undefined || !worker) return Promise.resolve(this.film.duration);
    const id = this.next++;
    return new Promise((resolve) => {
      this.asked.set(id, resolve);
      worker.postMessage({ kind: "length", id } satisfies ToWorker);
    });
  }

  /**
   * Hands the worker over to the caller, for the film at `url`. `undefined` if the worker is gone.
   */
  take(url = this.url): Worker | undefined {
    const { worker } = this;
    this.worker = undefined;
    worker?.removeEventListener("message", this.hear);
    for (const resolve of this.asked.values()) resolve(undefined);
    this.asked.clear();
    if (worker && url !== this.url) worker.postMessage({ kind: "address", url } satisfies ToWorker);
    this.url = url;
    return worker;
  }

  private readonly hear = ({ data }: MessageEvent<FromWorker>): void => {
    if (data.kind !== "length") return;
    this.asked.get(data.id)?.(data.duration);
    this.asked.delete(data.id);
  };
}

/**
 * Inspects a film. Rejects with `InspectionFailed`, or with the reason of `signal` when it is
 * aborted. Abort `signal` when the inspection is no longer needed: until then the worker and a
 * request for the film's start stay.
 */
export function inspectFilm(
  film: Film,
  signal: AbortSignal,
  start: () => Worker = startWorker,
  canPlay?: (type: string) => string,
): Promise<Inspection> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const worker = start();
    const listening = new AbortController();
    const settle = (): void => {
      listening.abort();
      signal.removeEventListener("abort", gone);
    };
    const failed = (error: unknown): void => {
      settle();
      worker.terminate();
      reject(error);
    };
    const gone = (): void => failed(signal.reason);
    signal.addEventListener("abort", gone);
    const { signal: until } = listening;
    worker.addEventListener(
      "error",
      (event) => failed(new InspectionFailed(event.message || troubleWords("broken", ""), true)),
      {
        signal: until,
      },
    );
    worker.addEventListener(
      "message",
      ({ data }: MessageEvent<FromWorker>) => {
        if (data.kind === "trouble")
          failed(
            new InspectionFailed(troubleWords(data.trouble, data.detail), isFinal(data.trouble)),
          );
        else if (data.kind === "opened") {
          settle();
          resolve(new Inspection(film.path, data.film, data.verdict, film.url, worker, signal));
        }
      },
      { signal: until },
    );
    worker.postMessage(opening(film.url, canPlay));
  });
}
