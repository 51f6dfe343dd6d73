// A `<video>` that opens films by itself, or by an engine.
//
// It stands between the page, which keeps a film open whatever interrupts it, and whoever feeds the
// `<video>`: to the page it looks like one.

import type { Engine, Film } from "./engines/engine";
import type { Media } from "./source";

/** Files whose sound or container Chrome often can't play, or never: they are looked into before anything is shown. */
const LOOKED_INTO = /\.(mkv|mk3d|mka|ts|m2ts|mts|avi|divx|flv|wmv|asf|mpg|mpeg|vob|m2v|wma)$/i;

/** Whether a file of this path is looked into before it is played. */
export function isLookedInto(path: string): boolean {
  return LOOKED_INTO.test(path);
}

/** What of a film does not change with its address. */
export type Described = Omit<Film, "url">;

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

  /** Whoever opens films from the next one on; `undefined` for the `<video>` itself. The former one lets go. */
  use(engine: Engine | undefined): void {
    void this.engine?.destroy();
    this.engine = engine;
    engine?.linked(this.isLinked);
    // What plays on would be stopped, without a word, when the engine brings its own source.
    if (engine !== undefined && this.video.src !== "") {
      this.video.removeAttribute("src");
      this.video.load();
    }
  }

  /** Whether the `<video>` reads films by itself. */
  get isPlain(): boolean {
    return this.engine === undefined;
  }

  /** Plays another sound track, where that is possible. */
  selectAudio(id: string): void {
    this.engine?.selectAudio(id);
  }

  /** The sound track with which the film begins that is opened next. */
  beginWith(id: string): void {
    this.wanted = id;
  }

  /** Whether engine and daemon are connected. */
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

  /** Goes to a place, seconds. */
  seek(toS: number): void {
    if (this.engine !== undefined) this.engine.seek(toS);
    else if (this.video.readyState > 0) this.video.currentTime = toS;
  }

  /** Frees the `<video>`; resolves when nothing feeds it any more. */
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
