// One film in the player: opens it, keeps it open, and records what the user chooses.
//
// After `destroy` no listener of the session is left, and the `<video>` is free for the next film.
// The session's state changes after events of the `<video>`, never because something was requested.

import type { FilmView } from "../model/generated/FilmView";
import { playerUrl, streamUrl } from "../model/locations";
import { Autoplay } from "./autoplay";
import { besideFiles } from "./beside_files";
import { Captions } from "./captions";
import { Carrier } from "./carrier";
import { subtitlesOf, withAudio, withSubtitles } from "./choices";
import type { AudioTrack } from "./engines/engine";
import { lackWords } from "./failure";
import { type FilmName, topicOf } from "./film_name";
import type { Pictures } from "./pictures";
import { Progress } from "./progress";
import { Resuming } from "./resuming";
import { Route } from "./route";
import { Source } from "./source";
import type { Status } from "./status";
import { status, waitOf } from "./status";
import type { Surroundings } from "./surroundings";

/** How far a skip over damage goes, in seconds. */
const SKIP_S = 10;

/** One open film. */
export class Session {
  readonly captions: Captions;
  private pictures: Pictures | undefined;
  private readonly leaving = new AbortController();
  private readonly carrier: Carrier;
  private readonly source: Source;
  private readonly resuming: Resuming;
  private readonly route: Route;
  /** Choices that the engine has not confirmed yet. */
  private chosen: Record<string, string> = {};
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
        selectSubtitles: (tracks) => this.route.engine?.selectSubtitles(tracks),
        fonts: async () => (await this.route.engine?.fonts()) ?? [],
        font: async (at, size) => this.route.engine?.font(at, size),
      },
      preference: () => subtitlesOf(this.choices),
      size: around.subtitleSize,
      changed: () => around.changed(),
    });
    this.route = new Route({
      video,
      carrier: this.carrier,
      source: this.source,
      captions: this.captions,
      link: () => host.link,
      described: () => this.described(),
      choices: () => this.choices,
      isStopped: () => this.resuming.supply === "stopped",
      changed: () => around.changed(),
      signal: this.leaving.signal,
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

  /** The film's sound tracks, where they can be chosen. */
  get audio(): readonly AudioTrack[] {
    return this.route.audio;
  }

  /** The id of the sound track that plays. `undefined` if there is no choice. */
  get selectedAudio(): string | undefined {
    return this.route.selectedAudio;
  }

  /** Length in seconds, if the film tells it and the `<video>` does not. */
  get durationS(): number | undefined {
    return this.route.durationS;
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
    return this.source.trouble === undefined ? undefined : this.route.remedy;
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
    this.route.useAudio(id);
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

  /** Prepares what opens the film. A film may have to be inspected first. */
  private async decide(path: string): Promise<void> {
    this.decided = true;
    const prepared = this.route.prepare(path);
    if (prepared) await prepared;
    if (this.isOver) return;
    this.ready = true;
    this.handleNews();
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
      if (Number.isFinite(video.duration) && video.duration > 0)
        this.route.durationS = video.duration;
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
