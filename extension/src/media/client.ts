// The player's side of the media worker: four methods, and what happens as a listener's calls.

import type { Cue, Film, FromWorker, Statistics, ToWorker, TroubleKind, Verdict } from "./protocol";

export interface MseListener {
  opened?(film: Film, verdict: Verdict): void;
  duration?(seconds: number): void;
  audio?(track: number): void;
  cues?(cues: Cue[]): void;
  waiting?(waiting: boolean): void;
  trouble?(kind: TroubleKind, detail: string): void;
}

/** Types of which only the element knows whether it plays them. */
const ELEMENT_TYPES = ['video/webm; codecs="vp8"', 'audio/webm; codecs="vorbis"', 'audio/wav; codecs="1"'];

/** The part of a `<video>` that is used. */
type Element = HTMLVideoElement;

/** One film in one `<video>`, fed by a worker. */
export class MsePlayback {
  private readonly worker: Worker;
  private readonly gone = new AbortController();
  private readonly fonts = new Map<number, (data: Uint8Array<ArrayBuffer> | undefined) => void>();
  private readonly measures: ((statistics: Statistics) => void)[] = [];
  private nextFont = 0;
  private readonly answer: Promise<{ film: Film; verdict: Verdict }>;
  private answered: (answer: { film: Film; verdict: Verdict }) => void = () => {};
  private refused: (error: Error) => void = () => {};

  constructor(
    private readonly video: Element,
    private readonly listener: MseListener,
    /** Starts the worker: the host knows its address. */
    start: () => Worker,
  ) {
    this.worker = start();
    this.answer = new Promise((resolve, reject) => {
      this.answered = resolve;
      this.refused = reject;
    });
    this.answer.catch(() => {});
    const { signal } = this.gone;
    this.worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => this.receive(data), { signal });
    this.worker.addEventListener("error", (event) => this.trouble("broken", event.message), { signal });
  }

  /** Looks at a file. Rejects when it can't be read. */
  inspect(url: string): Promise<{ film: Film; verdict: Verdict }> {
    const elementTypes = ELEMENT_TYPES.filter((type) => this.video.canPlayType(type) !== "");
    this.post({ kind: "open", url, elementTypes });
    return this.answer;
  }

  /** Feeds the element from `at` (seconds) on, with the default audio track or the one named. */
  open(at = 0, audio?: number): void {
    const { signal } = this.gone;
    const tell = () => this.post({ kind: "position", at: this.video.currentTime });
    this.video.addEventListener("seeking", () => this.post({ kind: "seek", at: this.video.currentTime }), { signal });
    for (const event of ["timeupdate", "playing", "pause"]) this.video.addEventListener(event, tell, { signal });
    if (at > 0) this.video.addEventListener("loadedmetadata", () => this.startAt(at), { signal, once: true });
    this.post({ kind: "play", at, audio });
  }

  seek(at: number): void {
    this.video.currentTime = at;
  }

  selectAudio(track: number): void {
    this.post({ kind: "audio", track });
  }

  selectSubtitles(tracks: number[]): void {
    this.post({ kind: "subtitles", tracks });
  }

  /** The bytes of a font inside the file. */
  font(at: number, size: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const id = this.nextFont++;
    return new Promise((resolve) => {
      this.fonts.set(id, resolve);
      this.post({ kind: "font", id, at, size });
    });
  }

  /** The same file at another address. */
  setUrl(url: string): void {
    this.post({ kind: "address", url });
  }

  measure(): Promise<Statistics> {
    return new Promise((resolve) => {
      this.measures.push(resolve);
      this.post({ kind: "measure" });
    });
  }

  destroy(): void {
    this.gone.abort();
    this.worker.terminate();
    for (const resolve of this.fonts.values()) resolve(undefined);
    this.refused(new Error("closed"));
    this.video.srcObject = null;
  }

  private post(message: ToWorker): void {
    if (!this.gone.signal.aborted) this.worker.postMessage(message);
  }

  private startAt(at: number): void {
    if (this.video.currentTime < at) this.video.currentTime = at;
  }

  private trouble(kind: TroubleKind, detail: string): void {
    this.refused(new Error(detail));
    this.listener.trouble?.(kind, detail);
  }

  private receive(message: FromWorker): void {
    switch (message.kind) {
      case "opened":
        this.answered(message);
        this.listener.opened?.(message.film, message.verdict);
        break;
      case "source":
        this.video.srcObject = message.handle;
        break;
      case "begins":
        this.startAt(message.at);
        break;
      case "duration":
        this.listener.duration?.(message.duration);
        break;
      case "audio":
        this.listener.audio?.(message.track);
        break;
      case "cues":
        this.listener.cues?.(message.cues);
        break;
      case "waiting":
        this.listener.waiting?.(message.waiting);
        break;
      case "trouble":
        this.trouble(message.trouble, message.detail);
        break;
      case "font":
        this.fonts.get(message.id)?.(message.data);
        this.fonts.delete(message.id);
        break;
      case "statistics":
        this.measures.shift()?.(message.statistics);
        break;
    }
  }
}
