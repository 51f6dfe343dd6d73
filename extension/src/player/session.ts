// One film in the player: looks into it, chooses who plays it, keeps it open through interruptions, and says how that
// goes.
//
// It ends as a whole: after `destroy` no listener of it is left, and the `<video>` is free for the next film. What it
// tells of the film changes after the `<video>`'s own events, never because somebody asked for something.

import type { Host } from "../host/host";
import type { Clock } from "../model/clock";
import type { FilmView } from "../model/generated/FilmView";
import { playerUrl } from "../model/locations";
import { Carrier, isLookedInto } from "./carrier";
import type { AudioTrack } from "./engines/engine";
import type { MseListener } from "./engines/mse";
import type { Lack } from "./failure";
import type { Store } from "./places";
import { recall, remember } from "./places";
import { Source } from "./source";
import type { Status } from "./status";
import { status, waitOf } from "./status";

const REMEMBER_MS = 5_000;
/** What a film lacks is told by what was not decoded in so many seconds of playing. */
const LACK_AFTER_S = 3;

/** Chrome counts what it decoded; the standard has no word for it. */
type CountingVideo = HTMLVideoElement & { readonly webkitAudioDecodedByteCount?: number };

/** What a session acts through. */
export interface Surroundings {
  host: Host;
  video: CountingVideo;
  clock: Clock;
  /** Where places in films are remembered. */
  store: Store;
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

export class Session {
  /** The browser wants a click before it plays anything with sound. */
  blocked = false;
  /** What of the film is not decoded. */
  lack: Lack = { picture: false, sound: false };
  /** The film's sound tracks, where they can be chosen. */
  audio: readonly AudioTrack[] = [];
  selectedAudio: string | undefined;
  private readonly leaving = new AbortController();
  private readonly carrier: Carrier;
  private readonly source: Source;
  /** Who opens the film is decided once its name is known. */
  private decided = false;
  private ready = false;
  private wasConnected = false;
  private playedS = 0;
  private lastTime = 0;
  private cancelRemembering: () => void = () => {};

  constructor(
    private readonly around: Surroundings,
    readonly name: FilmName,
    /** Where to begin, seconds; `undefined`: where it was left. */
    startAt?: number,
  ) {
    const { video, clock } = around;
    this.carrier = new Carrier(video, () => {
      const { file } = this.view;
      return { path: file?.path ?? "", length: file?.length ?? 0, contentType: file?.contentType ?? "" };
    });
    const start = startAt ?? recall(around.store, this.key);
    this.source = new Source(this.carrier, clock, () => this.view.file?.path ?? "", () => around.changed(), start);
    video.autoplay = true;
    this.listen();
    this.rememberAgain();
    around.host.listen(() => this.handleNews(), this.leaving.signal);
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
      media: { starved: this.starved, paused: video.paused, seeking: video.seeking, ended: video.ended, opened: video.readyState > 0 },
      trouble: this.source.trouble,
      recovering: this.source.recovering,
    });
  }

  /** Whether it lacks bytes to go on. */
  get starved(): boolean {
    const { video } = this.around;
    return video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA && !video.ended;
  }

  /** Opens the film again, as a person asks. */
  reload(): void {
    this.source.reload();
  }

  selectAudio(id: string): void {
    this.carrier.selectAudio(id);
  }

  /** Remembers where it is left, and lets go of the `<video>`. */
  async destroy(): Promise<void> {
    if (this.leaving.signal.aborted) return;
    this.rememberPlace();
    this.leaving.abort();
    this.cancelRemembering();
    this.source.close();
    await this.carrier.close();
  }

  private get key(): string {
    return `${this.name.infoHash}/${this.name.index}`;
  }

  private get isOver(): boolean {
    return this.leaving.signal.aborted;
  }

  private handleNews(): void {
    const { host } = this.around;
    const { file } = this.view;
    this.wasConnected ||= host.link.kind === "connected";
    // A silent engine says nothing about the daemon, which may well be serving on.
    if (host.link.kind !== "reconnecting") {
      if (file !== null && !this.decided) void this.decide(file.path);
      if (this.ready) this.source.setUrl(file === null ? undefined : playerUrl(host.link, file));
    }
    this.around.changed();
  }

  /** Loads what looks into films, if this one is to be looked into. An ordinary film does not wait for it. */
  private async decide(path: string): Promise<void> {
    this.decided = true;
    if (isLookedInto(path) && "MediaSource" in globalThis && "AudioEncoder" in globalThis) {
      // Without it the `<video>` plays what it can.
      const engine = await import("./engines/mse").catch(() => undefined);
      if (this.isOver) return;
      if (engine) this.carrier.use(engine.makeMse(this.around.video, this.listener()));
    }
    this.ready = true;
    this.handleNews();
  }

  private listener(): MseListener {
    return {
      // What the `<video>` plays by itself it plays best.
      inspected: (_, verdict) => {
        if (verdict.path !== "native") return;
        this.carrier.use(undefined);
        this.source.reload();
      },
      audio: (tracks, selected) => {
        this.audio = tracks;
        this.selectedAudio = selected;
        this.around.changed();
      },
      failed: (words, isFinal) => this.source.handleFailure(words, isFinal),
    };
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
    on("playing seeked", () => this.source.handleShown());
    on("play", () => this.source.handleWish(true));
    on("pause", () => this.source.handleWish(false));
    on("playing", () => {
      this.blocked = false;
      // Once it plays, a pause is a person's wish that a later `canplay` must not undo.
      video.autoplay = false;
    });
    on("canplay", () => this.tryToPlay());
    on("error", () => this.source.handleError());
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

  private rememberAgain(): void {
    this.cancelRemembering = this.around.clock.after(REMEMBER_MS, () => {
      this.rememberPlace();
      this.rememberAgain();
    });
  }

  private rememberPlace(): void {
    const { video, store } = this.around;
    if (video.readyState > 0) remember(store, this.key, video.currentTime, video.duration, Date.now());
  }
}
