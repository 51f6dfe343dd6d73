// The subtitles of one film: the tracks, the choice, and the renderer that draws it.
//
// Tracks come from inside the film (through the media worker), from files beside it, and from the
// user's own files. Only the chosen track is read and drawn. Invariant: after `destroy` nothing
// is left in the page and nothing is called.

import type { Cue, Font, SubtitleTrack } from "../../media/protocol";
import { pick, type Preference, preferenceOf } from "./choice";
import { growing } from "./content";
import { fitted } from "./picture";
import type { Content, Rect, Renderer, Stage, Way } from "./renderer";
import { LEAST_SIZE, MOST_SIZE } from "../subtitle_size";
import type { BesideFile, Entry, SubtitleOption } from "./tracks";
import { fileEntry, insideEntry, options } from "./tracks";
import { language, t } from "../../text/messages";

export type { Preference } from "./choice";
export type { BesideFile } from "./tracks";

/** The source of tracks inside the film, such as a media engine. */
export interface SubtitlePort {
  selectSubtitles(tracks: number[]): void;
  fonts(): Promise<Font[]>;
  font(at: number, size: number): Promise<Uint8Array<ArrayBuffer> | undefined>;
}

/** Optional parts, which tests replace. */
export interface SubtitleSettings {
  /** Called when tracks, the choice, or a state have changed. */
  changed?: () => void;
  /** The user's languages, the preferred one first. */
  languages?: readonly string[];
  /** The renderers, the preferred one first. */
  ways?: readonly Way[];
}

/** Most bytes of a film's fonts that are fetched. */
const MOST_FONTS = 48 << 20;

const WAYS: readonly Way[] = [
  { canRender: (kind) => kind === "ass", load: () => import("./ass") },
  { canRender: (kind) => kind === "pgs", load: () => import("./pgs") },
  { canRender: (kind) => kind !== "pgs", load: () => import("./text") },
];

/** The subtitles of one film. */
export class Subtitles {
  /** In the menu's order: inside the film, beside it, the user's own. */
  tracks: readonly SubtitleOption[] = [];
  private inside: Entry[] = [];
  private beside: Entry[] = [];
  private own: Entry[] = [];
  private current: Entry | undefined;
  private renderer: Renderer | undefined;
  /** Ends everything that belongs to the current choice. */
  private showing = new AbortController();
  private readonly ending = new AbortController();
  private readonly observer: ResizeObserver;
  private frame = 0;
  private ownCount = 0;
  /** Whether tracks are chosen automatically, and how. */
  private chooses = false;
  private wish: Preference | undefined;
  private delay = 0;
  private scale = 1;
  private inset = 0;
  private readonly changed: () => void;
  private readonly languages: readonly string[];
  private readonly ways: readonly Way[];

  /**
   * `host` is a positioned element over the `<video>`, of the same size and full screen with it.
   */
  constructor(
    private readonly video: HTMLVideoElement,
    private readonly host: HTMLElement,
    private readonly port: SubtitlePort,
    { changed = () => {}, languages = navigator.languages, ways = WAYS }: SubtitleSettings = {},
  ) {
    this.changed = changed;
    this.languages = languages;
    this.ways = ways;
    const { signal } = this.ending;
    for (const event of ["seeking", "seeked", "loadeddata"])
      video.addEventListener(event, () => this.draw(video.currentTime), { signal });
    // Sound alone has no frames to follow.
    video.addEventListener(
      "timeupdate",
      () => video.videoWidth === 0 && this.draw(video.currentTime),
      { signal },
    );
    const layOut = () => this.renderer?.change("layout");
    video.addEventListener("resize", layOut, { signal });
    this.observer = new ResizeObserver(layOut);
    this.observer.observe(video);
    this.observer.observe(host);
  }

  /** The id of the chosen track. */
  get selected(): string | undefined {
    return this.current?.id;
  }

  /** The choice for `choose` of the next film. `undefined` if the user never chose. */
  get preference(): Preference | undefined {
    return this.wish;
  }

  /** By how many seconds subtitles appear later; negative is earlier. */
  get delayS(): number {
    return this.delay;
  }

  set delayS(seconds: number) {
    if (!Number.isFinite(seconds)) return;
    this.delay = seconds;
    this.draw(this.video.currentTime);
  }

  /**
   * Scale of text and pictures, clamped to `LEAST_SIZE`–`MOST_SIZE`. ASS text is scaled by its
   * styles.
   */
  get size(): number {
    return this.scale;
  }

  set size(size: number) {
    if (!Number.isFinite(size)) return;
    this.scale = Math.min(MOST_SIZE, Math.max(LEAST_SIZE, size));
    this.redraw();
  }

  /** Height that controls cover at the host's bottom, in CSS pixels. Text stays above it. */
  get insetPx(): number {
    return this.inset;
  }

  set insetPx(pixels: number) {
    if (pixels === this.inset || !Number.isFinite(pixels)) return;
    this.inset = Math.max(0, pixels);
    this.renderer?.change("layout");
  }

  /** Sets the tracks inside the film. Tracks that are known keep their content. */
  setInside(tracks: readonly SubtitleTrack[]): void {
    if (this.ending.signal.aborted) return;
    const before = new Map(this.inside.map((entry) => [entry.id, entry]));
    this.inside = tracks.map((track) => before.get(`inside/${track.id}`) ?? insideEntry(track));
    this.listed();
    // A worker that has just opened the film does not know the choice.
    this.port.selectSubtitles(this.current?.inside ? [this.current.inside.track.id] : []);
  }

  /**
   * Sets the files beside the film, in the menu's order. A file with a known name is the same
   * track, perhaps at a new address.
   */
  setBeside(files: readonly BesideFile[]): void {
    if (this.ending.signal.aborted) return;
    const before = new Map(this.beside.map((entry) => [entry.id, entry]));
    this.beside = files.map((file) => {
      const entry =
        before.get(`beside/${file.name}`) ??
        fileEntry(`beside/${file.name}`, "beside", file.name, file);
      entry.beside = file;
      return entry;
    });
    this.listed();
  }

  /**
   * Adds the user's own files and chooses the last readable one. Resolves with a sentence for
   * each unreadable file.
   */
  async addFiles(files: Iterable<File>): Promise<string[]> {
    const troubles: string[] = [];
    let last: Entry | undefined;
    for (const file of files) {
      const { readFile, Unreadable } = await import("./files");
      try {
        const content = await readFile(file);
        const entry = fileEntry(`own/${++this.ownCount}`, "own", file.name, {});
        entry.content = content;
        this.own.push(entry);
        last = entry;
      } catch (error) {
        troubles.push(
          `${file.name}: ${error instanceof Unreadable ? error.message : t("subtitlesUnreadable")}`,
        );
      }
    }
    if (last && !this.ending.signal.aborted) {
      this.chooses = false;
      this.wish = preferenceOf(last);
      this.listed();
      this.apply(last);
    }
    return troubles;
  }

  /** Selects a track, or none, for the user. An unknown or unsupported id is ignored. */
  select(id: string | undefined): void {
    const entry = this.entry(id);
    if (
      this.ending.signal.aborted ||
      (id !== undefined && (!entry || entry.state === "unsupported"))
    )
      return;
    this.chooses = false;
    this.wish = preferenceOf(entry);
    this.apply(entry);
  }

  /**
   * Selects a track like `preference`, now and whenever tracks arrive, until the user selects.
   */
  choose(preference: Preference | undefined): void {
    this.chooses = true;
    this.wish = preference;
    this.listed();
  }

  /** Adds blocks of the tracks inside the film. */
  take(cues: readonly Cue[]): void {
    let fresh = false;
    for (const cue of cues) {
      const entry = this.inside.find(({ inside }) => inside?.track.id === cue.track);
      const isNew = entry?.inside?.growing?.put(cue) ?? false;
      fresh ||= isNew && entry === this.current;
    }
    if (fresh) this.renderer?.change("cues");
  }

  destroy(): void {
    this.leave();
    this.current = undefined;
    this.ending.abort();
    this.observer.disconnect();
  }

  private get entries(): Entry[] {
    return [...this.inside, ...this.beside, ...this.own];
  }

  private entry(id: string | undefined): Entry | undefined {
    return this.entries.find((entry) => entry.id === id);
  }

  /** The list has changed: the chosen track may be gone, a preferred one may have come. */
  private listed(): void {
    if (this.ending.signal.aborted) return;
    if (this.current && !this.entries.includes(this.current)) this.apply(undefined);
    if (this.chooses) {
      const able = this.entries.filter(
        ({ state }) => state !== "unsupported" && state !== "failed",
      );
      const id = pick(this.wish, able, this.languages);
      if (id !== this.selected) this.apply(this.entry(id));
    }
    this.tell();
  }

  private tell(): void {
    this.tracks = options(this.entries, language());
    if (!this.ending.signal.aborted) this.changed();
  }

  private apply(entry: Entry | undefined): void {
    if (entry === this.current && entry?.state !== "failed") return;
    this.leave();
    this.current = entry;
    this.port.selectSubtitles(entry?.inside ? [entry.inside.track.id] : []);
    if (entry) void this.show(entry, this.showing.signal);
    this.tell();
  }

  /** Stops everything that belongs to the current choice. */
  private leave(): void {
    this.showing.abort();
    this.showing = new AbortController();
    this.detach();
    const { current } = this;
    if (current && (current.state === "loading" || current.state === "shown"))
      current.state = "idle";
    // Pictures take much memory, and are sent again.
    if (current?.inside?.track.format === "pgs")
      current.inside.growing = growing(current.inside.track);
  }

  private detach(): void {
    this.video.cancelVideoFrameCallback(this.frame);
    const { renderer } = this;
    this.renderer = undefined;
    renderer?.detach();
  }

  private async show(entry: Entry, signal: AbortSignal): Promise<void> {
    entry.state = "loading";
    entry.trouble = undefined;
    let content: Content;
    try {
      content = await this.contentOf(entry, signal);
    } catch (error) {
      if (!signal.aborted)
        this.failed(
          entry,
          error instanceof Error && error.name === "Unreadable"
            ? error.message
            : t("subtitlesUnreadable"),
        );
      return;
    }
    if (!signal.aborted)
      await this.attach(
        entry,
        content,
        signal,
        this.ways.filter((way) => way.canRender(content.kind)),
      );
  }

  private async contentOf(entry: Entry, signal: AbortSignal): Promise<Content> {
    const inside = entry.inside?.growing?.content;
    if (inside) return inside;
    if (!entry.content) {
      const { fetchFile } = await import("./files");
      entry.content = await fetchFile(entry.beside!.url, entry.beside!.name, signal);
    }
    return entry.content;
  }

  /** Draws with the first renderer, and with the next one if it fails. */
  private async attach(
    entry: Entry,
    content: Content,
    signal: AbortSignal,
    [way, ...others]: readonly Way[],
  ): Promise<void> {
    if (!way) return this.failed(entry, t("subtitlesFailed"));
    const next = (): void => {
      if (signal.aborted) return;
      this.detach();
      void this.attach(entry, content, signal, others);
    };
    const renderer = await way.load().then(
      (module) => module.renderer(),
      () => undefined,
    );
    if (signal.aborted) return;
    if (!renderer) return next();
    this.renderer = renderer;
    renderer.attach(content, this.stage(renderer, next));
    entry.state = "shown";
    this.follow(renderer);
    this.tell();
  }

  private failed(entry: Entry, words: string): void {
    this.leave();
    this.current = undefined;
    if (entry.inside) this.port.selectSubtitles([]);
    entry.state = "failed";
    entry.trouble = words;
    this.tell();
  }

  private stage(renderer: Renderer, fail: () => void): Stage {
    const subtitles = this;
    return {
      host: this.host,
      picture: () => this.picture(),
      pictureSize: () => ({ width: this.video.videoWidth, height: this.video.videoHeight }),
      get size() {
        return subtitles.scale;
      },
      get insetPx() {
        return subtitles.inset;
      },
      fonts: () => this.fonts(),
      now: () => this.video.currentTime - this.delay,
      fail: () => this.renderer === renderer && fail(),
    };
  }

  private picture(): Rect {
    const host = this.host.getBoundingClientRect();
    const box = this.video.getBoundingClientRect();
    return fitted(
      { left: box.left - host.left, top: box.top - host.top, width: box.width, height: box.height },
      this.video.videoWidth,
      this.video.videoHeight,
    );
  }

  private async *fonts(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    let left = MOST_FONTS;
    for (const { at, size } of (await this.port.fonts()).sort((a, b) => a.size - b.size)) {
      if (size > left) return;
      left -= size;
      const data = await this.port.font(at, size);
      if (data) yield data;
    }
  }

  /** Draws for each frame of the film. */
  private follow(renderer: Renderer): void {
    const step = (_now: number, { mediaTime }: VideoFrameCallbackMetadata): void => {
      if (renderer !== this.renderer) return;
      const { paused, seeking, currentTime } = this.video;
      this.draw(paused || seeking ? currentTime : mediaTime);
      this.frame = this.video.requestVideoFrameCallback(step);
    };
    this.frame = this.video.requestVideoFrameCallback(step);
  }

  private draw(time: number): void {
    this.renderer?.draw(time - this.delay);
  }

  private redraw(): void {
    this.renderer?.change("layout");
    this.renderer?.change("cues");
  }
}
