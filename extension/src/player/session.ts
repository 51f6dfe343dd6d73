// One film in the player: inspects it, chooses what plays it, and keeps it open.
//
// After `destroy` no listener of the session is left, and the `<video>` is free for the next film.
// The session's state changes after events of the `<video>`, never because something was requested.

import type { Film as Inspected, Verdict } from "../media/protocol";
import type { FilmView } from "../model/generated/FilmView";
import { playerUrl, streamUrl } from "../model/locations";
import { Autoplay } from "./autoplay";
import { besideFiles } from "./beside_files";
import { Captions } from "./captions";
import { Carrier, isInspectedFirst } from "./carrier";
import { audioOf, choosable, subtitlesOf, withAudio, withSubtitles } from "./choices";
import type { AudioTrack } from "./engines/engine";
import type { Inspection } from "./engines/inspection";
import type { FedEngine, FedListener } from "./engines/fed";
import { lackWords } from "./failure";
import { type FilmName, topicOf } from "./film_name";
import { onceOpen } from "./once_open";
import type { Pictures } from "./pictures";
import { Progress } from "./progress";
import { Resuming } from "./resuming";
import { Source } from "./source";
import type { Status } from "./status";
import { status, waitOf } from "./status";
import type { Surroundings } from "./surroundings";

/** How far a skip over damage goes, in seconds. */
const SKIP_S = 10;
const NO_TRACKS: readonly AudioTrack[] = [];

/** One open film. */
export class Session {
  /** The film's sound tracks, where they can be chosen. */
  audio: readonly AudioTrack[] = NO_TRACKS;
  selectedAudio: string | undefined;
  /** Length in seconds, if the film tells it and the `<video>` does not. */
  durationS: number | undefined;
  readonly captions: Captions;
  private pictures: Pictures | undefined;
  private readonly leaving = new AbortController();
  private readonly carrier: Carrier;
  private readonly source: Source;
  private readonly resuming: Resuming;
  private film: Inspected | undefined;
  private verdict: Verdict | undefined;
  /** The engine that feeds the film, if one does. */
  private fed: FedEngine | undefined;
  /**
   * The inspection of a film that the `<video>` plays by itself. Needed to change its sound track.
   */
  private inspection: Inspection | undefined;
  /** Ends that inspection and its worker. */
  private inspecting: AbortController | undefined;
  /** The sound track that the user chose for this film. */
  private wantedAudio: string | undefined;
  /** Choices that the engine has not confirmed yet. */
  private chosen: Record<string, string> = {};
  private help: string | undefined;
  /** Whether it is decided what opens the film. It needs the film's name. */
  private decided = false;
  private ready = false;
  private wasConnected = false;
  private readonly progress: Progress;
  private readonly autoplay: Autoplay;

  constructor(
    private readonly around: Surroundings,
    readonly name: FilmName,
    /** Where to begin, in seconds. `undefined`: where the user left the film. */
    private readonly startAt?: number,
  ) {
    const { video, clock, host, layer } = around;
    this.carrier = new Carrier(video, () => this.described());
    this.source = new Source(
      this.carrier,
      clock,
      () => this.view.file?.path ?? "",
      () => around.changed(),
    );
    this.resuming = new Resuming(
      clock,
      () => this.view,
      () => this.starved,
      () => this.resume(),
      around.isOpenedByHand,
    );
    this.captions = new Captions({
      video,
      layer,
      port: {
        selectSubtitles: (tracks) => this.fed?.selectSubtitles(tracks),
        fonts: async () => (await this.fed?.fonts()) ?? [],
        font: async (at, size) => this.fed?.font(at, size),
      },
      preference: () => subtitlesOf(this.choices),
      size: around.subtitleSize,
      changed: () => around.changed(),
    });
    this.autoplay = new Autoplay(video, this.leaving.signal, () => around.changed());
    this.progress = new Progress(video, host, clock, name);
    this.listen();
    host.listen(() => this.handleNews(), this.leaving.signal);
    this.handleNews();
  }

  /** Whether the browser requires a click before it plays sound. */
  get blocked(): boolean {
    return this.autoplay.isBlocked;
  }

  /** The engine's state of the film. */
  get view(): FilmView {
    return this.around.host.topic(topicOf(this.name)) ?? { torrent: null, file: null, streams: [] };
  }

  /** What the player is doing, in words. */
  get status(): Status {
    const { video, host } = this.around;
    const { torrent, file, streams } = this.view;
    return status({
      link: host.link,
      wasConnected: this.wasConnected,
      known: host.topic(topicOf(this.name)) !== undefined,
      torrent: torrent ?? undefined,
      file: file ?? undefined,
      wait: waitOf(streams),
      media: {
        starved: this.starved,
        paused: video.paused,
        seeking: video.seeking,
        ended: video.ended,
        opened: video.readyState > 0,
      },
      trouble: this.source.trouble,
      recovering: this.source.recovering,
    });
  }

  /** Something to know that does not stop the film. */
  get hint(): string | undefined {
    if (this.source.trouble !== undefined) return undefined;
    return this.captions.trouble ?? lackWords(this.progress.lack);
  }

  /** A command that helps to play the film. */
  get remedy(): string | undefined {
    return this.source.trouble === undefined ? undefined : this.help;
  }

  /** Whether the film lacks bytes to continue. */
  get starved(): boolean {
    const { video } = this.around;
    return (
      this.source.hasFailed ||
      (video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA && !video.ended)
    );
  }

  /** Where the film will begin, in seconds. `undefined` once the `<video>` has a position. */
  get beginsAtS(): number | undefined {
    return this.around.video.readyState === 0 || this.source.hasFailed
      ? this.source.place
      : undefined;
  }

  /** Opens the film again at the user's request, and resumes its torrent. */
  reload(): void {
    this.resuming.resumeIfStopped();
    this.source.reload();
  }

  /** Resumes the torrent at the user's request. */
  resume(): void {
    void this.around.host.intent({ kind: "resume", infoHash: this.name.infoHash });
  }

  /** A small picture of the film at a time in seconds, from bytes on disk. */
  async preview(atS: number, signal: AbortSignal): Promise<ImageBitmap | undefined> {
    const module = await import("./pictures");
    const { file } = this.view;
    const url = file && streamUrl(this.around.host.link, file);
    if (!url || this.isOver) return undefined;
    this.pictures ??= new module.Pictures();
    return this.pictures.near(url, atS, signal);
  }

  /** Skips a place that can't be played. */
  skip(): void {
    const to = this.source.place + SKIP_S;
    this.seek(this.durationS === undefined ? to : Math.min(to, Math.max(0, this.durationS - 1)));
  }

  /** Seeks to a time in seconds. */
  seek(toS: number): void {
    this.source.seek(toS);
    this.carrier.seek(toS);
  }

  /** Plays another sound track, and prefers its language in later films. */
  selectAudio(id: string): void {
    const track = this.audio.find((candidate) => candidate.id === id);
    if (!track) return;
    void this.choose(withAudio(this.choices, track));
    this.useAudio(id);
  }

  private useAudio(id: string): void {
    this.wantedAudio = id;
    // The `<video>` alone plays only one sound track.
    if (this.carrier.isPlain) void this.feed("mse").then(() => this.isOver || this.source.reload());
    else this.carrier.selectAudio(id);
  }

  /** Shows other subtitles, and prefers them in later films. `undefined` for none. */
  selectSubtitles(id: string | undefined): void {
    this.captions.select(id);
    const { preference } = this.captions;
    if (preference) void this.choose(withSubtitles(this.choices, preference));
    this.around.changed();
  }

  /** Reports the last position and releases the `<video>`. */
  async destroy(): Promise<void> {
    if (this.isOver) return;
    this.progress.destroy();
    this.leaving.abort();
    this.resuming.destroy();
    this.source.close();
    this.captions.destroy();
    this.pictures?.destroy();
    await this.carrier.close();
  }

  private get choices(): Record<string, string> {
    return { ...this.view.torrent?.choices, ...this.chosen };
  }

  private get isOver(): boolean {
    return this.leaving.signal.aborted;
  }

  private described() {
    const { file } = this.view;
    return {
      path: file?.path ?? "",
      length: file?.length ?? 0,
      contentType: file?.contentType ?? "",
    };
  }

  private choose(choices: Record<string, string>): Promise<unknown> {
    this.chosen = choices;
    return this.around.host.intent({ kind: "choose", infoHash: this.name.infoHash, choices });
  }

  private handleNews(): void {
    const { host } = this.around;
    const { file } = this.view;
    this.wasConnected ||= host.link.kind === "connected";
    this.carrier.linked(host.link.kind === "connected");
    // A silent engine says nothing about the daemon, which may still serve the film.
    if (host.link.kind !== "reconnecting") {
      this.resuming.handleNews();
      this.source.setSupply(this.resuming.supply);
      if (file !== null && !this.decided) {
        this.source.startAt(this.startAt ?? file.positionS);
        void this.decide(file.path);
      }
      if (this.ready) this.source.setUrl(file === null ? undefined : playerUrl(host.link, file));
      const beside = besideFiles(host, this.name.infoHash, this.view);
      if (beside.length > 0) this.captions.setBeside(beside);
    }
    this.around.changed();
  }

  /** Inspects a film first if its kind requires it. Others are inspected while they play. */
  private async decide(path: string): Promise<void> {
    this.decided = true;
    const canFeed =
      "MediaSource" in globalThis && MediaSource.canConstructInDedicatedWorker === true;
    const first = canFeed && isInspectedFirst(path);
    if (first) await this.feed("mse");
    if (this.isOver) return;
    this.ready = true;
    this.handleNews();
    if (canFeed && !first) this.inspectWhenOpen();
  }

  /** Inspects the film once it is open or has failed. */
  private inspectWhenOpen(): void {
    onceOpen(this.around.video, this.leaving.signal, () => void this.inspect());
  }

  /**
   * Inspects a film that the `<video>` plays by itself: it may be silent, or have several sound
   * tracks.
   */
  private async inspect(): Promise<void> {
    const url = this.carrier.src;
    try {
      const { inspectFilm } = await import("./engines/inspection");
      const inspecting = (this.inspecting = new AbortController());
      const inspection = await inspectFilm(
        { url, ...this.described() },
        AbortSignal.any([inspecting.signal, this.leaving.signal]),
      );
      if (this.isOver) return;
      this.inspection = inspection;
      const { film, verdict } = inspection;
      this.learn(film, verdict);
      // The film is of another kind than its name says, and does not play by itself.
      const fails = this.around.video.error !== null || this.source.trouble !== undefined;
      if (
        verdict.path === "mse" &&
        (fails || verdict.reason === "sound_transcoded" || verdict.reason === "container")
      )
        await this.feed("mse");
      else if (verdict.path === "ffmpeg") await this.feed("ffmpeg");
      else return this.offerAudio(film);
      if (!this.isOver) this.source.reload();
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
    this.around.changed();
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
    const chosen = audioOf(this.choices, tracks);
    if (chosen && chosen !== own) this.useAudio(String(chosen.id));
    this.around.changed();
  }

  /**
   * Uses an engine from the next opening on. If it can't be loaded, the `<video>` plays what it
   * can.
   */
  private async feed(way: "mse" | "ffmpeg"): Promise<void> {
    const { video } = this.around;
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
    this.fed = engine;
    const adopted = this.adopt(engine);
    this.carrier.use(engine);
    if (adopted) this.captions.setInside(adopted.film.subtitles);
  }

  /** Offers the film's subtitles and plays the chosen sound track. */
  private play(engine: FedEngine, film: Inspected): void {
    this.captions.setInside(film.subtitles);
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
    if (track !== undefined) this.carrier.beginWith(track);
    return inspection;
  }

  private chosenAudio(film: Inspected): string | undefined {
    const chosen = audioOf(this.choices, film.audio);
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
        this.letGo();
        this.source.reload();
        break;
      case "ffmpeg":
        this.letGo();
        void this.feed("ffmpeg").then(() => this.isOver || this.source.reload());
        break;
      case "none":
        this.letGo();
        void this.explain("", true);
        break;
    }
  }

  private letGo(): void {
    this.fed = undefined;
    this.carrier.use(undefined);
  }

  private listener(inspected: NonNullable<FedListener["inspected"]>): FedListener {
    return {
      inspected,
      audio: (tracks, selected) => {
        this.audio = tracks;
        this.selectedAudio = selected;
        this.around.changed();
      },
      cues: (cues) => this.captions.take(cues),
      duration: (seconds) => {
        this.durationS = seconds;
        this.around.changed();
      },
      failed: (words, isFinal, isHere) => {
        // If the torrent is stopped, ffmpeg gets no bytes either.
        const isSure = isFinal && this.resuming.supply !== "stopped";
        if (isSure && this.verdict?.path === "ffmpeg") void this.explain(words, true);
        else this.source.handleFailure(words, isSure, isHere);
      },
    };
  }

  /** Shows what the film contains, and what is needed to play it. */
  private async explain(words: string, isFinal: boolean): Promise<void> {
    const { film, verdict } = this;
    const { explanation } = await import("./engines/explanation");
    const { link } = this.around.host;
    if (!film || !verdict) return;
    const { text, command } = await explanation(film, verdict, link, this.leaving.signal);
    if (this.isOver) return;
    this.help = command;
    this.source.handleFailure([text, words].filter(Boolean).join(" "), isFinal);
  }

  private listen(): void {
    const { video } = this.around;
    const { signal } = this.leaving;
    const on = (types: string, listener: () => void) => {
      for (const type of types.split(" ")) video.addEventListener(type, listener, { signal });
    };
    const changed = () => this.around.changed();
    on("loadedmetadata", () => this.source.handleMetadata());
    on("timeupdate seeking", () => this.source.handleMove());
    on("timeupdate", () => this.progress.handleTime());
    on("loadeddata progress playing", () => this.resuming.handleBytes());
    on("durationchange", () => {
      // Kept for when the film fails and the `<video>` forgets it.
      if (Number.isFinite(video.duration) && video.duration > 0) this.durationS = video.duration;
    });
    on("playing seeked", () => this.source.handleShown());
    on("play", () => this.source.handleWish(true));
    on("pause", () => this.source.handleWish(false));
    on("pause ended", () => this.progress.report());
    on("error", () => this.source.handleError());
    on("waiting stalled emptied error playing", () => this.resuming.keepResuming());
    on("loadedmetadata emptied canplay playing pause waiting stalled ended error", changed);
    on("seeking seeked progress timeupdate", changed);
  }
}
