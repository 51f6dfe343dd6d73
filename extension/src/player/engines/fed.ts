// Engines that a worker feeds through a MediaSource handle.
//
// The worker reads the film; the engine passes on positions, tracks and messages. Each film has a
// worker of its own. Its end also ends its requests. A worker that has inspected a film can go on
// to play it (`adopt`).

import type {
  Cue,
  Film as Inspected,
  Font,
  FromWorker,
  Statistics,
  ToWorker,
  Verdict,
} from "../../media/protocol";
import type { AudioTrack, Engine, EngineListener, Film } from "./engine";
import { type Inspection, opening, startWorker } from "./inspection";
import { isFinal, isOfPlace, troubleWords } from "./words";

/** What a session may be told besides what every engine reports. */
export interface FedListener extends EngineListener {
  /**
   * What the film contains, and what can play it best. This engine continues if it can. Not called
   * for an adopted inspection.
   */
  inspected?(film: Inspected, verdict: Verdict): void;
  /** The film's length in seconds. Some containers reveal it late. */
  duration?(seconds: number): void;
  /** Whether the worker waits for the daemon. */
  waiting?(waiting: boolean): void;
  /** Blocks of the requested subtitle tracks. */
  cues?(cues: Cue[]): void;
}

/** An engine that a worker feeds. */
export abstract class FedEngine implements Engine {
  private worker: Worker | undefined;
  private adopted: Inspection | undefined;
  /** Ends everything that belongs to one film. */
  private leaving = new AbortController();
  private destroyed = false;
  /** Where to begin, in seconds, until the element has opened the film. */
  private beginning: number | undefined;
  private tracks: AudioTrack[] = [];
  /** The sound track that was chosen before the film was open. */
  private wanted: string | undefined;
  private subtitles: number[] = [];
  private isOpen = false;
  private isLinked = true;
  /** Pending questions to the worker, by number. */
  private readonly asked = new Map<number, (answer: FromWorker | undefined) => void>();
  private measures: ((statistics: Statistics) => void)[] = [];
  private nextQuestion = 0;

  constructor(
    protected readonly video: HTMLVideoElement,
    protected readonly listener: FedListener,
    private readonly start: () => Worker = startWorker,
  ) {}

  /** The worker's first message, or the reason why this engine can't play the film. */
  protected abstract plan(
    film: Inspected,
    verdict: Verdict,
    at: number,
    audio: number | undefined,
  ): ToWorker | string;

  /** Whether this engine offers the sound track. */
  protected abstract offers(track: Inspected["audio"][number]): boolean;

  /**
   * Uses the worker of an inspection for the next film. An inspection of another film is ignored.
   */
  adopt(inspection: Inspection): void {
    this.adopted = inspection;
  }

  open(film: Film, atS: number): void {
    this.leave();
    const { adopted } = this;
    this.adopted = undefined;
    if (this.destroyed) return;
    this.beginning = atS;
    this.tracks = [];
    this.wanted = undefined;
    this.isOpen = false;
    const { signal } = (this.leaving = new AbortController());
    const known = adopted?.path === film.path ? adopted : undefined;
    const taken = known?.take(film.url);
    const worker = (this.worker = taken ?? this.start());
    worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => this.receive(data), {
      signal,
    });
    worker.addEventListener(
      "error",
      (event) => this.listener.failed(event.message || troubleWords("broken", ""), true, false),
      {
        signal,
      },
    );
    const { video } = this;
    const tell = () => this.post({ kind: "position", at: video.currentTime });
    for (const event of ["timeupdate", "playing", "pause"])
      video.addEventListener(event, tell, { signal });
    video.addEventListener("seeking", () => this.post({ kind: "seek", at: video.currentTime }), {
      signal,
    });
    video.addEventListener("loadedmetadata", () => this.begin(), { signal, once: true });
    if (!this.isLinked) this.post({ kind: "link", connected: false });
    if (known && taken)
      queueMicrotask(() => !signal.aborted && this.opened(known.film, known.verdict));
    else this.post(opening(film.url, (type) => video.canPlayType(type)));
  }

  seek(toS: number): void {
    if (this.worker === undefined) return;
    const { duration } = this.video;
    const to = Math.max(0, Number.isFinite(duration) ? Math.min(toS, duration) : toS);
    if (this.beginning === undefined) {
      this.video.currentTime = to;
      return;
    }
    this.beginning = to;
    this.post({ kind: "seek", at: to });
  }

  /** Before the film is open, this sets the track to begin with. */
  selectAudio(id: string): void {
    if (!this.isOpen) this.wanted = id;
    else if (this.tracks.some((track) => track.id === id))
      this.post({ kind: "audio", track: Number(id) });
  }

  /**
   * Sets the subtitle tracks whose blocks are needed. Before the film is open, it begins with
   * these.
   */
  selectSubtitles(tracks: number[]): void {
    this.subtitles = tracks;
    this.post({ kind: "subtitles", tracks });
  }

  /** The bytes of a font inside the film. `undefined` when they can't be read. */
  font(at: number, size: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return this.ask((id) => ({ kind: "font", id, at, size })).then((answer) =>
      answer?.kind === "font" ? answer.data : undefined,
    );
  }

  /** The fonts inside the film, for styled subtitles. */
  fonts(): Promise<Font[]> {
    return this.ask((id) => ({ kind: "fonts", id })).then((answer) =>
      answer?.kind === "fonts" ? answer.fonts : [],
    );
  }

  moved(url: string): void {
    this.post({ kind: "address", url });
  }

  linked(connected: boolean): void {
    if (connected === this.isLinked) return;
    this.isLinked = connected;
    this.post({ kind: "link", connected });
  }

  /** How much was read and appended so far. */
  measure(): Promise<Statistics> {
    return new Promise((resolve) => {
      this.measures.push(resolve);
      this.post({ kind: "measure" });
    });
  }

  destroy(): Promise<void> {
    this.destroyed = true;
    this.leave();
    return Promise.resolve();
  }

  private ask(question: (id: number) => ToWorker): Promise<FromWorker | undefined> {
    if (this.worker === undefined) return Promise.resolve(undefined);
    const id = this.nextQuestion++;
    return new Promise((resolve) => {
      this.asked.set(id, resolve);
      this.post(question(id));
    });
  }

  private post(message: ToWorker): void {
    this.worker?.postMessage(message);
  }

  private leave(): void {
    this.leaving.abort();
    if (this.worker === undefined) return;
    this.worker.terminate();
    this.worker = undefined;
    this.video.srcObject = null;
    for (const resolve of this.asked.values()) resolve(undefined);
    this.asked.clear();
    this.measures = [];
  }

  /** The element accepts positions from here on. */
  private begin(): void {
    const at = this.beginning ?? 0;
    this.beginning = undefined;
    if (at > this.video.currentTime) this.video.currentTime = at;
  }

  private receive(message: FromWorker): void {
    const { listener } = this;
    switch (message.kind) {
      case "opened":
        this.listener.inspected?.(message.film, message.verdict);
        if (this.worker !== undefined) this.opened(message.film, message.verdict);
        break;
      case "source":
        this.video.srcObject = message.handle;
        break;
      case "begins":
        if (this.beginning !== undefined) this.beginning = Math.max(this.beginning, message.at);
        else if (this.video.currentTime < message.at) this.video.currentTime = message.at;
        break;
      case "duration":
        listener.duration?.(message.duration);
        break;
      case "audio":
        listener.audio(this.tracks, String(message.track));
        break;
      case "waiting":
        listener.waiting?.(message.waiting);
        break;
      case "trouble":
        listener.failed(
          troubleWords(message.trouble, message.detail),
          isFinal(message.trouble),
          isOfPlace(message.trouble),
        );
        break;
      case "fonts":
      case "font":
      case "length":
        this.asked.get(message.id)?.(message);
        this.asked.delete(message.id);
        break;
      case "statistics":
        this.measures.shift()?.(message.statistics);
        break;
      case "cues":
        listener.cues?.(message.cues);
        break;
    }
  }

  private opened(film: Inspected, verdict: Verdict): void {
    this.isOpen = true;
    this.tracks = film.audio
      .filter((track) => this.offers(track))
      .map(({ id, title, language }) => ({
        id: String(id),
        label: title ?? "",
        language: language ?? "",
      }));
    const wanted = this.tracks.find(({ id }) => id === this.wanted)?.id;
    const plan = this.plan(
      film,
      verdict,
      this.beginning ?? 0,
      wanted === undefined ? undefined : Number(wanted),
    );
    if (typeof plan === "string") return this.listener.failed(plan, true, false);
    if (this.subtitles.length > 0) this.post({ kind: "subtitles", tracks: this.subtitles });
    this.post(plan);
  }
}
