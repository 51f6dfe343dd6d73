// A `<video>` that opens films by itself or through an engine.
//
// To the page it looks like a plain `<video>`, whatever feeds it.

import type { Engine, Film } from "./engines/engine";
import type { Media } from "./source";

/** Files that Chrome often can't play: they are inspected before they are shown. */
const INSPECTED_FIRST = /\.(mkv|mk3d|mka|ts|m2ts|mts|avi|divx|flv|wmv|asf|mpg|mpeg|vob|m2v|wma)$/i;

/** Whether a file with this path is inspected before it is played. */
export function isInspectedFirst(path: string): boolean {
  return INSPECTED_FIRST.test(path);
}

/** What stays the same when a film's address changes. */
export type Described = Omit<Film, "url">;

/** The `<video>` together with the engine that feeds it. */
export class Carrier implements Media {
  /** The film's address. */
  src = "";
  private engine: Engine | undefined;
  private wanted: string | undefined;
  private isLinked = true;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly film: () => Described,
  ) {}

  /**
   * Sets the engine for the next films; `undefined` for the `<video>` itself. The former engine is
   * destroyed.
   */
  use(engine: Engine | undefined): void {
    void this.engine?.destroy();
    this.engine = engine;
    engine?.linked(this.isLinked);
    // An engine's new source would stop what plays now without an event.
    if (engine !== undefined && this.video.src !== "") {
      this.video.removeAttribute("src");
      this.video.load();
    }
  }

  /** Whether the `<video>` reads films by itself. */
  get isPlain(): boolean {
    return this.engine === undefined;
  }

  /** Plays another sound track, if the engine can. */
  selectAudio(id: string): void {
    this.engine?.selectAudio(id);
  }

  /** Sets the sound track with which the next film begins. */
  beginWith(id: string): void {
    this.wanted = id;
  }

  /** Tells the engine whether the daemon is connected. */
  linked(connected: boolean): void {
    this.isLinked = connected;
    this.engine?.linked(connected);
  }

  moved(url: string): boolean {
    if (this.engine === undefined) return false;
    this.src = url;
    this.engine.moved(url);
    return true;
  }

  /** Seeks to a time in seconds. */
  seek(toS: number): void {
    if (this.engine !== undefined) this.engine.seek(toS);
    else if (this.video.readyState > 0) this.video.currentTime = toS;
  }

  /** Releases the `<video>`. Resolves when nothing feeds it any more. */
  async close(): Promise<void> {
    const { engine } = this;
    this.engine = undefined;
    await engine?.destroy();
    this.video.removeAttribute("src");
    this.video.load();
  }

  load(atS: number): void {
    if (this.engine !== undefined) {
      this.engine.open({ url: this.src, ...this.film() }, atS);
      if (this.wanted !== undefined) this.engine.selectAudio(this.wanted);
      this.wanted = undefined;
      return;
    }
    this.video.src = this.src;
    this.video.load();
  }

  play(): Promise<void> {
    return this.video.play();
  }

  get currentTime(): number {
    return this.video.currentTime;
  }

  set currentTime(seconds: number) {
    this.video.currentTime = seconds;
  }

  get duration(): number {
    return this.video.duration;
  }

  get paused(): boolean {
    return this.video.paused;
  }

  get readyState(): number {
    return this.video.readyState;
  }

  get error(): { readonly code: number } | null {
    return this.video.error;
  }
}
