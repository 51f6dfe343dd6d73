// Decides what plays a film: the `<video>` alone, the media worker, or the user's ffmpeg.
//
// Films that Chrome often can't play are inspected before they are opened, others while they play.
// If the inspection finds a better way, the film is opened again. Torrents are unknown here.

import type { Film as Inspected, Verdict } from "../media/protocol";
import type { PageLink } from "../model/link";
import type { Captions } from "./captions";
import type { Carrier, Described } from "./carrier";
import { isInspectedFirst } from "./carrier";
import type { Choices } from "./choices";
import { audioOf, choosable } from "./choices";
import type { AudioTrack } from "./engines/engine";
import type { FedEngine, FedListener } from "./engines/fed";
import type { Inspection } from "./engines/inspection";
import { onceOpen } from "./once_open";
import type { Source } from "./source";

/** What a route needs from its session. */
export interface RouteParts {
  video: HTMLVideoElement;
  carrier: Carrier;
  source: Source;
  captions: Captions;
  link(): PageLink;
  described(): Described;
  /** The choices for the torrent's films, as the engine stores them. */
  choices(): Choices;
  /** Whether the torrent is stopped, so that no bytes arrive. */
  isStopped(): boolean;
  /** Called when anything here has changed. */
  changed(): void;
  /** Aborted when the session ends. */
  signal: AbortSignal;
}

const NO_TRACKS: readonly AudioTrack[] = [];

/** What plays the film of one session. */
export class Route {
  /** The film's sound tracks, where they can be chosen. */
  audio: readonly AudioTrack[] = NO_TRACKS;
  /** The id of the sound track that plays. */
  selectedAudio: string | undefined;
  /** Length in seconds, if it is known from the film or the `<video>`. */
  durationS: number | undefined;
  /** The engine that feeds the film, if one does. */
  engine: FedEngine | undefined;
  /** A command that helps to play a film that can't be played now. */
  remedy: string | undefined;
  private film: Inspected | undefined;
  private verdict: Verdict | undefined;
  /**
   * The inspection of a film that the `<video>` plays by itself. Needed to change its sound track.
   */
  private inspection: Inspection | undefined;
  /** Ends that inspection and its worker. */
  private inspecting: AbortController | undefined;
  /** The sound track that the user chose for this film. */
  private wantedAudio: string | undefined;

  constructor(private readonly parts: RouteParts) {}

  /**
   * Prepares for a film, by its path. Returns a promise if the film must not be opened before it
   * resolves.
   */
  prepare(path: string): Promise<void> | undefined {
    const canFeed =
      "MediaSource" in globalThis && MediaSource.canConstructInDedicatedWorker === true;
    if (!canFeed) return undefined;
    if (isInspectedFirst(path)) return this.feed("mse");
    this.inspectWhenOpen();
    return undefined;
  }

  /** Plays another sound track. The `<video>` alone plays only one. */
  useAudio(id: string): void {
    this.wantedAudio = id;
    if (this.parts.carrier.isPlain)
      void this.feed("mse").then(() => this.isOver || this.parts.source.reload());
    else this.parts.carrier.selectAudio(id);
  }

  /** Inspects the film once it is open or has failed. */
  private inspectWhenOpen(): void {
    onceOpen(this.parts.video, this.parts.signal, () => void this.inspect());
  }

  /**
   * Inspects a film that the `<video>` plays by itself: it may be silent, or have several sound
   * tracks.
   */
  private async inspect(): Promise<void> {
    const url = this.parts.carrier.src;
    try {
      const { inspectFilm } = await import("./engines/inspection");
      const inspecting = (this.inspecting = new AbortController());
      const inspection = await inspectFilm(
        { url, ...this.parts.described() },
        AbortSignal.any([inspecting.signal, this.parts.signal]),
      );
      if (this.isOver) return;
      this.inspection = inspection;
      const { film, verdict } = inspection;
      this.learn(film, verdict);
      // The film is of another kind than its name says, and does not play by itself.
      const fails = this.parts.video.error !== null || this.parts.source.trouble !== undefined;
      if (
        verdict.path === "mse" &&
        (fails || verdict.reason === "sound_transcoded" || verdict.reason === "container")
      )
        await this.feed("mse");
      else if (verdict.path === "ffmpeg") await this.feed("ffmpeg");
      else return this.offerAudio(film);
      if (!this.isOver) this.parts.source.reload();
    } catch {
      // The `<video>` plays what it can. If the daemon was away, the film is inspected again when
      // it is opened again.
      if (!this.isOver) this.inspectWhenOpen();
    }
  }

  /** Records what the inspection found. */
  private learn(film: Inspected, verdict: Verdict): void {
    this.film = film;
    this.verdict = verdict;
    this.durationS = film.duration;
    this.parts.changed();
  }

  /** Offers the sound tracks of a film that plays by itself, if there is a choice. */
  private offerAudio(film: Inspected): void {
    const tracks = film.audio.filter(({ sound }) => sound !== "impossible");
    if (tracks.length < 2) {
      // There is no choice: the worker is no longer needed.
      this.inspection = undefined;
      this.inspecting?.abort();
      return;
    }
    this.audio = tracks.map(choosable);
    const own = tracks.find(({ isDefault }) => isDefault) ?? tracks[0];
    this.selectedAudio = own && String(own.id);
    const chosen = audioOf(this.parts.choices(), tracks);
    if (chosen && chosen !== own) this.useAudio(String(chosen.id));
    this.parts.changed();
  }

  /**
   * Uses an engine from the next opening on. If it can't be loaded, the `<video>` plays what it
   * can.
   */
  private async feed(way: "mse" | "ffmpeg"): Promise<void> {
    const { video } = this.parts;
    if (way === "ffmpeg") {
      const module = await import("./engines/ffmpeg").catch(() => undefined);
      if (!module || this.isOver) return;
      const engine: FedEngine = new module.FfmpegEngine(
        video,
        this.listener((film, verdict) => {
          this.learn(film, verdict);
          this.play(engine, film);
        }),
      );
      this.use(engine);
    } else {
      const module = await import("./engines/mse").catch(() => undefined);
      if (!module || this.isOver) return;
      const engine: FedEngine = new module.MseEngine(
        video,
        this.listener((film, verdict) => this.judge(engine, film, verdict)),
      );
      this.use(engine);
    }
  }

  /** Makes `engine` open the next films. */
  private use(engine: FedEngine): void {
    this.engine = engine;
    const adopted = this.adopt(engine);
    this.parts.carrier.use(engine);
    if (adopted) this.parts.captions.setInside(adopted.film.subtitles);
  }

  /** Offers the film's subtitles and plays the chosen sound track. */
  private play(engine: FedEngine, film: Inspected): void {
    this.parts.captions.setInside(film.subtitles);
    const track = this.wantedAudio ?? this.chosenAudio(film);
    if (track !== undefined) engine.selectAudio(track);
  }

  /** Passes the inspection's worker to the engine, if there is one. */
  private adopt(engine: { adopt(inspection: Inspection): void }): Inspection | undefined {
    const { inspection } = this;
    this.inspection = undefined;
    if (!inspection) return undefined;
    engine.adopt(inspection);
    const track = this.wantedAudio ?? this.chosenAudio(inspection.film);
    if (track !== undefined) this.parts.carrier.beginWith(track);
    return inspection;
  }

  private chosenAudio(film: Inspected): string | undefined {
    const chosen = audioOf(this.parts.choices(), film.audio);
    return chosen && String(chosen.id);
  }

  /** Decides what plays a film that was inspected first. */
  private judge(engine: FedEngine, film: Inspected, verdict: Verdict): void {
    this.learn(film, verdict);
    switch (verdict.path) {
      case "mse":
        this.play(engine, film);
        break;
      case "native":
        // The `<video>` plays it best by itself.
        this.dropEngine();
        this.parts.source.reload();
        break;
      case "ffmpeg":
        this.dropEngine();
        void this.feed("ffmpeg").then(() => this.isOver || this.parts.source.reload());
        break;
      case "none":
        this.dropEngine();
        void this.explain("", true);
        break;
    }
  }

  private dropEngine(): void {
    this.engine = undefined;
    this.parts.carrier.use(undefined);
  }

  private listener(inspected: NonNullable<FedListener["inspected"]>): FedListener {
    return {
      inspected,
      audio: (tracks, selected) => {
        this.audio = tracks;
        this.selectedAudio = selected;
        this.parts.changed();
      },
      cues: (cues) => this.parts.captions.take(cues),
      duration: (seconds) => {
        this.durationS = seconds;
        this.parts.changed();
      },
      failed: (words, isFinal, isHere) => {
        // If the torrent is stopped, ffmpeg gets no bytes either.
        const isSure = isFinal && !this.parts.isStopped();
        if (isSure && this.verdict?.path === "ffmpeg") void this.explain(words, true);
        else this.parts.source.handleFailure(words, isSure, isHere);
      },
    };
  }

  /** Shows what the film contains, and what is needed to play it. */
  private async explain(words: string, isFinal: boolean): Promise<void> {
    const { film, verdict } = this;
    const { explanation } = await import("./engines/explanation");
    if (!film || !verdict) return;
    const { text, command } = await explanation(
      film,
      verdict,
      this.parts.link(),
      this.parts.signal,
    );
    if (this.isOver) return;
    this.remedy = command;
    this.parts.source.handleFailure([text, words].filter(Boolean).join(" "), isFinal);
  }

  private get isOver(): boolean {
    return this.parts.signal.aborted;
  }
}
