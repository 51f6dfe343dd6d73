// A film's subtitles as its session uses them: loaded on demand, chosen as before.
//
// The code that draws subtitles is a chunk of its own (`subtitles/`). Until it is loaded, this
// module keeps what it will need.

import type { Cue, SubtitleTrack } from "../media/protocol";
import type { TrackChoice } from "./controls/model";
import type { BesideFile, Preference, SubtitlePort, Subtitles } from "./subtitles/subtitles";

/** What captions need from the session. */
export interface CaptionParts {
  video: HTMLVideoElement;
  /** The element over the picture, of the same size, in which subtitles are drawn. */
  layer: HTMLElement;
  port: SubtitlePort;
  /** The choice for an earlier film. */
  preference(): Preference | undefined;
  size: number;
  changed(): void;
  load?: () => Promise<typeof import("./subtitles/subtitles")>;
}

/** The subtitles of one session. */
export class Captions {
  private subtitles: Subtitles | undefined;
  private loading: Promise<void> | undefined;
  private inside: readonly SubtitleTrack[] = [];
  private beside: readonly BesideFile[] = [];
  private besideKey = "";
  private early: Cue[] = [];
  private covered = 0;
  private isOver = false;
  private choices: readonly TrackChoice[] = [];
  private of: unknown;

  constructor(private readonly parts: CaptionParts) {}

  /** The tracks to choose from. The array is the same while the tracks are. */
  get tracks(): readonly TrackChoice[] {
    const tracks = this.subtitles?.tracks;
    if (tracks !== this.of) {
      this.of = tracks;
      this.choices = (tracks ?? [])
        .filter(({ state }) => state !== "unsupported")
        .map(({ id, label, language }) => ({ id, label, language: language ?? "" }));
    }
    return this.choices;
  }

  get selected(): string | undefined {
    return this.subtitles?.selected;
  }

  /** Why the chosen track is not shown, in a sentence. */
  get trouble(): string | undefined {
    return this.subtitles?.tracks.find(({ id }) => id === this.selected)?.trouble;
  }

  /** The choice, for the next film. */
  get preference(): Preference | undefined {
    return this.subtitles?.preference ?? this.parts.preference();
  }

  get delayS(): number {
    return this.subtitles?.delayS ?? 0;
  }

  set delayS(seconds: number) {
    if (this.subtitles) this.subtitles.delayS = seconds;
    this.parts.changed();
  }

  get size(): number {
    return this.subtitles?.size ?? this.parts.size;
  }

  set size(factor: number) {
    this.parts.size = factor;
    if (this.subtitles) this.subtitles.size = factor;
    this.parts.changed();
  }

  /** Height of the layer's bottom that the controls cover, in px. */
  set insetPx(pixels: number) {
    this.covered = pixels;
    if (this.subtitles) this.subtitles.insetPx = pixels;
  }

  /** Sets the tracks inside the film. */
  setInside(tracks: readonly SubtitleTrack[]): void {
    this.inside = tracks;
    if (this.subtitles) this.subtitles.setInside(tracks);
    else if (tracks.length > 0) void this.ensure();
  }

  /** Sets the subtitle files of the torrent. To be called again when an address changes. */
  setBeside(files: readonly BesideFile[]): void {
    const key = JSON.stringify(files);
    if (key === this.besideKey) return;
    this.besideKey = key;
    this.beside = files;
    if (this.subtitles) this.subtitles.setBeside(files);
    else if (files.length > 0) void this.ensure();
  }

  /** Adds the user's own files. Resolves with a sentence for each that can't be used. */
  async add(files: readonly File[]): Promise<string[]> {
    await this.ensure();
    return (await this.subtitles?.addFiles(files)) ?? [];
  }

  select(id: string | undefined): void {
    this.subtitles?.select(id);
  }

  /** Takes blocks of the tracks inside the film. */
  take(cues: readonly Cue[]): void {
    if (this.subtitles) this.subtitles.take(cues);
    else this.early.push(...cues);
  }

  destroy(): void {
    this.isOver = true;
    this.subtitles?.destroy();
    this.subtitles = undefined;
  }

  private ensure(): Promise<void> {
    return (this.loading ??= this.begin());
  }

  private async begin(): Promise<void> {
    const {
      video,
      layer,
      port,
      changed,
      load = () => import("./subtitles/subtitles"),
    } = this.parts;
    const module = await load().catch(() => undefined);
    if (module === undefined || this.isOver) return;
    const subtitles = (this.subtitles = new module.Subtitles(video, layer, port, { changed }));
    subtitles.size = this.parts.size;
    subtitles.insetPx = this.covered;
    subtitles.setInside(this.inside);
    subtitles.setBeside(this.beside);
    subtitles.choose(this.parts.preference());
    subtitles.take(this.early.splice(0));
    changed();
  }
}
