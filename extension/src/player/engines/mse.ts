// Plays a film by the media worker: what the worker makes of it reaches the `<video>` as a MediaSource's handle.
//
// The worker reads, the engine only passes on places, tracks and news. Each film has a worker of its own, which ends
// with it; that also ends its requests.

import type { Cue, Film as Inspected, Font, FromWorker, Statistics, ToWorker, TroubleKind, Verdict } from "../../media/protocol";
import type { AudioTrack, Engine, EngineListener, EngineMaker, Film } from "./engine";

/** What a session may hear besides what every engine says. */
export interface MseListener extends EngineListener {
  /** What the film is, and who can play it best; this engine goes on if it can. */
  inspected?(film: Inspected, verdict: Verdict): void;
  /** The film's length, seconds: known late for some containers. */
  duration?(seconds: number): void;
  /** Blocks of the subtitle tracks that were asked for. */
  cues?(cues: Cue[]): void;
  /** Whether the daemon is being waited for. */
  waiting?(waiting: boolean): void;
}

/** Types of which only the element knows whether it plays them. */
const ELEMENT_TYPES = ['video/webm; codecs="vp8"', 'audio/webm; codecs="vorbis"', 'audio/wav; codecs="1"', "audio/mpeg"];

const ELSEWHERE = "VLC or mpv will play it: copy the stream address below.";
const WORDS: Record<TroubleKind, string> = {
  gone: "The file is no longer where it was.",
  unreachable: "The daemon does not answer.",
  broken: `This file is damaged. ${ELSEWHERE}`,
  unplayable: `Chrome can’t play this file. ${ELSEWHERE}`,
  sound: `The sound of this film can’t be decoded. ${ELSEWHERE}`,
};

export class MseEngine implements Engine {
  private worker: Worker | undefined;
  /** Ends what belongs to one film. */
  private leaving = new AbortController();
  private destroyed = false;
  /** Where to begin, until the element knows the film; seconds. */
  private beginning: number | undefined;
  private tracks: AudioTrack[] = [];
  /** Who waits for an answer of the worker's, by the question's number. */
  private readonly asked = new Map<number, (answer: FromWorker | undefined) => void>();
  private measures: ((statistics: Statistics) => void)[] = [];
  private nextQuestion = 0;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly listener: MseListener,
    private readonly start: () => Worker = () => new Worker("media.js", { type: "module" }),
  ) {}

  open(film: Film, atS: number): void {
    this.leave();
    if (this.destroyed) return;
    this.beginning = atS;
    this.tracks = [];
    const { signal } = (this.leaving = new AbortController());
    const worker = (this.worker = this.start());
    worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => this.receive(data), { signal });
    worker.addEventListener("error", (event) => this.listener.failed(event.message || WORDS.broken, true), { signal });
    const { video } = this;
    const tell = () => this.post({ kind: "position", at: video.currentTime });
    for (const event of ["timeupdate", "playing", "pause"]) video.addEventListener(event, tell, { signal });
    video.addEventListener("seeking", () => this.post({ kind: "seek", at: video.currentTime }), { signal });
    video.addEventListener("loadedmetadata", () => this.begin(), { signal, once: true });
    this.post({ kind: "open", url: film.url, elementTypes: ELEMENT_TYPES.filter((type) => video.canPlayType(type) !== "") });
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

  selectAudio(id: string): void {
    if (this.tracks.some((track) => track.id === id)) this.post({ kind: "audio", track: Number(id) });
  }

  /** The subtitle tracks whose blocks are wanted from now on. */
  selectSubtitles(tracks: number[]): void {
    this.post({ kind: "subtitles", tracks });
  }

  /** Bytes of a font inside the film; `undefined` when they can't be had. */
  font(at: number, size: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return this.ask((id) => ({ kind: "font", id, at, size })).then((answer) => (answer?.kind === "font" ? answer.data : undefined));
  }

  /** The fonts inside the film, for styled subtitles. */
  fonts(): Promise<Font[]> {
    return this.ask((id) => ({ kind: "fonts", id })).then((answer) => (answer?.kind === "fonts" ? answer.fonts : []));
  }

  /** The same film at another address: what is buffered stays. */
  moved(url: string): void {
    this.post({ kind: "address", url });
  }

  /** What was read and appended so far. */
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

  /** The element takes places now. */
  private begin(): void {
    const at = this.beginning ?? 0;
    this.beginning = undefined;
    if (at > this.video.currentTime) this.video.currentTime = at;
  }

  private receive(message: FromWorker): void {
    const { listener } = this;
    switch (message.kind) {
      case "opened":
        this.opened(message.film, message.verdict);
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
      case "cues":
        listener.cues?.(message.cues);
        break;
      case "waiting":
        listener.waiting?.(message.waiting);
        break;
      case "trouble":
        listener.failed(WORDS[message.trouble], message.trouble !== "unreachable");
        break;
      case "fonts":
      case "font":
        this.asked.get(message.id)?.(message);
        this.asked.delete(message.id);
        break;
      case "statistics":
        this.measures.shift()?.(message.statistics);
        break;
    }
  }

  private opened(film: Inspected, verdict: Verdict): void {
    this.tracks = film.audio
      .filter(({ sound }) => sound !== "impossible")
      .map(({ id, title, language }) => ({ id: String(id), label: title ?? "", language: language ?? "" }));
    this.listener.inspected?.(film, verdict);
    if (this.worker === undefined) return;
    if (verdict.path === "ffmpeg" || verdict.path === "none") this.listener.failed(verdict.reason === "broken" ? WORDS.broken : WORDS.unplayable, true);
    else this.post({ kind: "play", at: this.beginning ?? 0, audio: undefined });
  }
}

export const makeMse: EngineMaker = (video, listener) => new MseEngine(video, listener);
