// One film in the player: looks into it, chooses who plays it, keeps it open through interruptions,
// and says how that goes.
//
// It ends as a whole: after `destroy` no listener of it is left, and the `<video>` is free for the
// next film. What it tells of the film changes after the `<video>`'s own events, never because
// somebody asked for something.

import type { Host } from "../host/host";
import type { Film as Inspected, Verdict } from "../media/protocol";
import type { Clock } from "../model/clock";
import type { FilmView } from "../model/generated/FilmView";
import { playerUrl, streamUrl } from "../model/locations";
import { splitPath } from "../text/format";
import { Captions } from "./captions";
import { Carrier, isLookedInto } from "./carrier";
import { audioOf, subtitlesOf, withAudio, withSubtitles } from "./choices";
import type { AudioTrack } from "./engines/engine";
import type { Inspection } from "./engines/inspection";
import type { FedEngine, FedListener } from "./engines/fed";
import type { MseEngine } from "./engines/mse";
import type { Lack } from "./failure";
import type { Pictures } from "./pictures";
import { lackWords } from "./failure";
import { Resuming } from "./resuming";
import { Source } from "./source";
import type { Status } from "./status";
import { status, waitOf } from "./status";

/** How often the engine is told where the film is, ms. */
const REPORT_MS = 5_000;
/** How far a person skips over what can't be played, seconds. */
const SKIP_S = 10;
/** What a film lacks is told by what was not decoded in so many seconds of playing. */
const LACK_AFTER_S = 3;

/** Chrome counts what it decoded; the standard has no word for it. */
type CountingVideo = HTMLVideoElement & { readonly webkitAudioDecodedByteCount?: number };

/** What a session acts through. */
export interface Surroundings {
  host: Host;
  video: CountingVideo;
  /** Where subtitles are drawn. */
  layer: HTMLElement;
  clock: Clock;
  /** How large subtitles are: a factor. */
  subtitleSize: number;
  /** Whether a person opened the film, and not the browser a page that it had. */
  isOpenedByHand: boolean;
  /** Something that the session tells has changed. */
  changed(): void;
}

/** One file of one torrent. */
export interface FilmName {
  infoHash: string;
  index: number;
}

/** The topic that tells of a film. */
export function topicOf({ infoHash, index }: FilmName): `film/${string}/${number}` {
  return `film/${infoHash}/${index}`;
}

const NO_TRACKS: readonly AudioTrack[] = [];

export class Session {
  /** The browser wants a click before it plays anything with sound. */
  blocked = false;
  /** The film's sound tracks, where they can be chosen. */
  audio: readonly AudioTrack[] = NO_TRACKS;
  selectedAudio: string | undefined;
  /** Length in seconds, where the film says it and the `<video>` does not. */
  durationS: number | undefined;
  readonly captions: Captions;
  private pictures: Pictures | undefined;
  private readonly leaving = new AbortController();
  private readonly carrier: Carrier;
  private readonly source: Source;
  private readonly resuming: Resuming;
  private film: Inspected | undefined;
  private verdict: Verdict | undefined;
  /** The engine that feeds the film, while one does. */
  private fed: FedEngine | undefined;
  /** What was looked into and plays by itself: another sound track needs it. */
  private inspection: Inspection | undefined;
  /** Ends the look into a film that plays by itself, and its worker. */
  private looking: AbortController | undefined;
  /** The sound track that a person chose of this film. */
  private wantedAudio: string | undefined;
  /** What was chosen here and is not known to be kept yet. */
  private chosen: Record<string, string> = {};
  private help: string | undefined;
  private lack: Lack = { picture: false, sound: false };
  /** Who opens the film is decided once its name is known. */
  private decided = false;
  private ready = false;
  private wasConnected = false;
  private playedS = 0;
  private lastTime = 0;
  private reportedS: number | undefined;
  private cancelReport: () => void = () => {};

  constructor(
    private readonly around: Surroundings,
    readonly name: FilmName,
    /** Where to begin, seconds; `undefined`: where it was left. */
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
    video.autoplay = true;
    this.listen();
    this.reportAgain();
    host.listen(() => this.handleNews(), this.leaving.signal);
    this.handleNews();
  }

  /** What the engine says of the film. */
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

  /** Something to know that stops nothing. */
  get hint(): string | undefined {
    if (this.source.trouble !== undefined) return undefined;
    return this.captions.trouble ?? lackWords(this.lack);
  }

  /** A command that would help to play the film. */
  get remedy(): string | undefined {
    return this.source.trouble === undefined ? undefined : this.help;
  }

  /** Whether it lacks bytes to go on. */
  get starved(): boolean {
    const { video } = this.around;
    return (
      this.source.hasFailed ||
      (video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA && !video.ended)
    );
  }

  /** Where the film begins once it is open, seconds; `undefined` while the `<video>` itself says where it is. */
  get beginsAtS(): number | undefined {
    return this.around.video.readyState === 0 || this.source.hasFailed
      ? this.source.place
      : undefined;
  }

  /** Opens the film again, as a person asks, and lets its torrent go on. */
  reload(): void {
    this.resuming.resumeIfStopped();
    this.source.reload();
  }

  /** Lets the torrent go on, as a person asks. */
  resume(): void {
    void this.around.host.intent({ kind: "resume", infoHash: this.name.infoHash });
  }

  /** A small picture of the film at a place (seconds), from what is on disk. */
  async preview(atS: number, signal: AbortSignal): Promise<ImageBitmap | undefined> {
    const module = await import("./pictures");
    const { file } = this.view;
    const url = file && streamUrl(this.around.host.link, file);
    if (!url || this.isOver) return undefined;
    this.pictures ??= new module.Pictures();
    return this.pictures.near(url, atS, signal);
  }

  /** Goes past a place that can't be played. */
  skip(): void {
    const to = this.source.place + SKIP_S;
    this.seek(this.durationS === undefined ? to : Math.min(to, Math.max(0, this.durationS - 1)));
  }

  /** Goes to a place, seconds. */
  seek(toS: number): void {
    this.source.seek(toS);
    this.carrier.seek(toS);
  }

  /** Plays another sound track, and the films to come in its language. */
  selectAudio(id: string): void {
    const track = this.audio.find((candidate) => candidate.id === id);
    if (!track) return;
    void this.choose(withAudio(this.choices, track));
    this.useAudio(id);
  }

  private useAudio(id: string): void {
    this.wantedAudio = id;
    // What the `<video>` reads by itself has one sound.
    if (this.carrier.isPlain) void this.feed("mse").then(() => this.isOver || this.source.reload());
    else this.carrier.selectAudio(id);
  }

  /** Shows other subtitles, and such in the films to come; `undefined` for none. */
  selectSubtitles(id: string | undefined): void {
    this.captions.select(id);
    const { preference } = this.captions;
    if (preference) void this.choose(withSubtitles(this.choices, preference));
    this.around.changed();
  }

  /** Tells where it is left, and lets go of the `<video>`. */
  async destroy(): Promise<void> {
    if (this.isOver) return;
    this.report();
    this.leaving.abort();
    this.cancelReport();
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
    // A silent engine says nothing about the daemon, which may well be serving on.
    if (host.link.kind !== "reconnecting") {
      this.resuming.handleNews();
      this.source.setSupply(this.resuming.supply);
      if (file !== null && !this.decided) {
        this.source.startAt(this.startAt ?? file.positionS);
        void this.decide(file.path);
      }
      if (this.ready) this.source.setUrl(file === null ? undefined : playerUrl(host.link, file));
      this.tellBeside();
    }
    this.around.changed();
  }

  /** Subtitle files of the torrent that belong to the film. */
  private tellBeside(): void {
    const { host } = this.around;
    const files = host.topic(`torrent/${this.name.infoHash}`)?.files ?? [];
    const beside = (this.view.file?.subtitles ?? []).flatMap(({ index, language, title }) => {
      const file = files.find((candidate) => candidate.index === index);
      const url = file && streamUrl(host.link, file);
      return url
        ? [{ url, name: splitPath(file.path).name, language: language ?? undefined, title }]
        : [];
    });
    if (beside.length > 0) this.captions.setBeside(beside);
  }

  /** Has a film looked into first that needs it. An ordinary one does not wait for that: it is looked into while it plays. */
  private async decide(path: string): Promise<void> {
    this.decided = true;
    const canFeed =
      "MediaSource" in globalThis && MediaSource.canConstructInDedicatedWorker === true;
    const first = canFeed && isLookedInto(path);
    if (first) await this.feed("mse");
    if (this.isOver) return;
    this.ready = true;
    this.handleNews();
    if (canFeed && !first) this.lookWhenOpen();
  }

  /** Has a film looked into once there is something of it, or it failed. */
  private lookWhenOpen(): void {
    const { video } = this.around;
    const once = new AbortController();
    const look = () => {
      once.abort();
      void this.look();
    };
    const signal = AbortSignal.any([once.signal, this.leaving.signal]);
    for (const type of ["loadeddata", "error"]) video.addEventListener(type, look, { signal });
  }

  /** Looks into a film that the `<video>` reads by itself: it may be silent, or have sound tracks to choose from. */
  private async look(): Promise<void> {
    const url = this.carrier.src;
    try {
      const { inspectFilm } = await import("./engines/inspection");
      const looking = (this.looking = new AbortController());
      const inspection = await inspectFilm(
        { url, ...this.described() },
        AbortSignal.any([looking.signal, this.leaving.signal]),
      );
      if (this.isOver) return;
      this.inspection = inspection;
      const { film, verdict } = inspection;
      this.learn(film, verdict);
      // A film that is of another kind than its name says does not play by itself.
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
      // The `<video>` plays what it can, and says what it can't. The daemon may have been away:
      // when the film is opened again, it is looked into again.
      if (!this.isOver) this.lookWhenOpen();
    }
  }

  /** What is known of the film by now. */
  private learn(film: Inspected, verdict: Verdict): void {
    this.film = film;
    this.verdict = verdict;
    this.durationS = film.duration;
    this.around.changed();
  }

  /** The sound tracks of a film that plays by itself, if there is a choice. */
  private offerAudio(film: Inspected): void {
    const tracks = film.audio.filter(({ sound }) => sound !== "impossible");
    if (tracks.length < 2) {
      // There is nothing to choose: the worker that looked is of no more use.
      this.inspection = undefined;
      this.looking?.abort();
      return;
    }
    this.audio = tracks.map(({ id, title, language }) => ({
      id: String(id),
      label: title ?? "",
      language: language ?? "",
    }));
    const own = tracks.find(({ isDefault }) => isDefault) ?? tracks[0];
    this.selectedAudio = own && String(own.id);
    const chosen = audioOf(this.choices, tracks);
    if (chosen && chosen !== own) this.useAudio(String(chosen.id));
    this.around.changed();
  }

  /** Has the film read by an engine from the next opening on. Without the engine the `<video>` plays what it can. */
  private async feed(way: "mse" | "ffmpeg"): Promise<void> {
    const { video } = this.around;
    if (way === "ffmpeg") {
      const module = await import("./engines/ffmpeg").catch(() => undefined);
      if (!module || this.isOver) return;
      const engine = new module.FfmpegEngine(
        video,
        this.listener((film, verdict) => {
          this.learn(film, verdict);
          this.captions.setInside(film.subtitles);
          const track = this.wantedAudio ?? this.chosenAudio(film);
          if (track !== undefined) engine.selectAudio(track);
        }),
      );
      this.fed = engine;
      const adopted = this.adopt(engine);
      this.carrier.use(engine);
      if (adopted) this.captions.setInside(adopted.film.subtitles);
      return;
    }
    const module = await import("./engines/mse").catch(() => undefined);
    if (!module || this.isOver) return;
    const engine = new module.MseEngine(
      video,
      this.listener((film, verdict) => this.judge(engine, film, verdict)),
    );
    this.fed = engine;
    const adopted = this.adopt(engine);
    this.carrier.use(engine);
    if (adopted) this.captions.setInside(adopted.film.subtitles);
  }

  /** Has an engine go on with the worker that looked, if there is one; it is not told of the film again. */
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

  /** A film that is looked into first is known: who plays it? */
  private judge(engine: MseEngine, film: Inspected, verdict: Verdict): void {
    this.learn(film, verdict);
    switch (verdict.path) {
      case "mse": {
        this.captions.setInside(film.subtitles);
        const track = this.wantedAudio ?? this.chosenAudio(film);
        if (track !== undefined) engine.selectAudio(track);
        break;
      }
      case "native":
        // What the `<video>` plays by itself it plays best.
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
        // Of a torrent that is stopped ffmpeg gets nothing to read either.
        const isSure = isFinal && this.resuming.supply !== "stopped";
        if (isSure && this.verdict?.path === "ffmpeg") void this.explain(words, true);
        else this.source.handleFailure(words, isSure, isHere);
      },
    };
  }

  /** Says what the film is, and what it would take to play it. */
  private async explain(words: string, isFinal: boolean): Promise<void> {
    const { film, verdict } = this;
    const { verdictWords, installCommand } = await import("./engines/words");
    const { link } = this.around.host;
    // What fails for another reason than that ffmpeg is missing is told in the daemon's words
    // alone.
    const lacks =
      verdict?.path === "ffmpeg" &&
      link.kind === "connected" &&
      (await this.lacksFfmpeg(link.baseUrl));
    if (this.isOver || !film || !verdict) return;
    this.help = lacks ? installCommand(navigator.platform) : undefined;
    const what = lacks || verdict.path === "none" ? verdictWords(verdict, film) : "";
    this.source.handleFailure([what, words].filter(Boolean).join(" "), isFinal);
  }

  private async lacksFfmpeg(baseUrl: string): Promise<boolean> {
    const { ability } = await import("./engines/ffmpeg");
    return (await ability(baseUrl, this.leaving.signal))?.kind === "problem";
  }

  private listen(): void {
    const { video } = this.around;
    const { signal } = this.leaving;
    const on = (types: string, listener: () => void) => {
      for (const type of types.split(" ")) video.addEventListener(type, listener, { signal });
    };
    on("loadedmetadata", () => this.source.handleMetadata());
    on("timeupdate seeking", () => this.source.handleMove());
    on("timeupdate", () => this.handleTime());
    on("loadeddata progress playing", () => this.resuming.handleBytes());
    on("durationchange", () => {
      // Kept for when the film fails and the `<video>` knows nothing of it any more.
      if (Number.isFinite(video.duration) && video.duration > 0) this.durationS = video.duration;
    });
    on("playing seeked", () => this.source.handleShown());
    on("play", () => this.source.handleWish(true));
    on("pause", () => {
      // A person who pauses while it opens does not want it to begin by itself.
      if (video.error === null) video.autoplay = false;
      this.source.handleWish(false);
    });
    on("pause ended", () => this.report());
    on("playing", () => {
      this.blocked = false;
      // Once it plays, a pause is a person's wish that a later `canplay` must not undo.
      video.autoplay = false;
    });
    on("canplay", () => this.tryToPlay());
    on("error", () => this.source.handleError());
    on("waiting stalled emptied error playing", () => this.resuming.keepResuming());
    on(
      "loadedmetadata waiting stalled playing pause seeking seeked ended error canplay progress timeupdate emptied",
      () => this.around.changed(),
    );
  }

  /** The browser may want a click before it plays anything with sound. */
  private tryToPlay(): void {
    const { video } = this.around;
    if (!video.paused || !video.autoplay) return;
    video.play().catch((error: unknown) => {
      if (this.isOver) return;
      this.blocked = error instanceof DOMException && error.name === "NotAllowedError";
      this.around.changed();
    });
  }

  private handleTime(): void {
    const { video } = this.around;
    const step = video.currentTime - this.lastTime;
    this.lastTime = video.currentTime;
    if (step > 0 && step < 1) this.playedS += step;
    if (this.playedS < LACK_AFTER_S) return;
    const isVideo = this.view.file?.contentType.startsWith("video/") ?? false;
    const picture = isVideo && video.videoWidth === 0;
    this.lack = { picture, sound: !picture && video.webkitAudioDecodedByteCount === 0 };
  }

  private reportAgain(): void {
    this.cancelReport = this.around.clock.after(REPORT_MS, () => {
      this.report();
      this.reportAgain();
    });
  }

  /** Tells the engine where the film is, if that is elsewhere than at the last time. */
  private report(): void {
    const { video, host } = this.around;
    if (video.readyState === 0 || this.playedS === 0 || this.reportedS === video.currentTime)
      return;
    this.reportedS = video.currentTime;
    const { infoHash, index: file } = this.name;
    const durationS = Number.isFinite(video.duration) ? video.duration : null;
    void host.intent({
      kind: "watched",
      infoHash,
      file,
      positionS: video.currentTime,
      durationS,
      watched: null,
    });
  }
}
