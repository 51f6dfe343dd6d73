// Plays a film by the `<video>` alone, which reads the daemon's address by itself.

import type { AudioTrack, Engine, EngineListener, EngineMaker, Film } from "./engine";

/** Chrome keeps these behind a switch; other browsers have them. */
interface NativeTrack {
  readonly id: string;
  readonly label: string;
  readonly language: string;
  enabled: boolean;
}
type WithTracks = HTMLVideoElement & { readonly audioTracks?: Iterable<NativeTrack> & ArrayLike<NativeTrack> };

export class NativeEngine implements Engine {
  /** Ends what belongs to one film. */
  private leaving = new AbortController();
  private isOpen = false;
  private destroyed = false;
  /** Where to begin, until the element knows the film; seconds. */
  private beginning: number | undefined;
  /** The sound track that was chosen before the film was open. */
  private wanted: string | undefined;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly listener: EngineListener,
  ) {}

  open(film: Film, atS: number): void {
    this.leaving.abort();
    if (this.destroyed) return;
    const { signal } = (this.leaving = new AbortController());
    this.beginning = atS;
    this.wanted = undefined;
    this.isOpen = true;
    const { video } = this;
    video.addEventListener("loadedmetadata", () => this.begin(), { signal, once: true });
    video.src = film.url;
    video.load();
  }

  seek(toS: number): void {
    if (!this.isOpen) return;
    const { duration } = this.video;
    const to = Math.max(0, Number.isFinite(duration) ? Math.min(toS, duration) : toS);
    if (this.beginning === undefined) this.video.currentTime = to;
    else this.beginning = to;
  }

  selectAudio(id: string): void {
    if (!this.isOpen) return;
    if (this.beginning !== undefined) {
      this.wanted = id;
      return;
    }
    const tracks = this.tracks();
    if (!tracks.some((track) => track.id === id)) return;
    // The new one first: a moment without any would end the sound's decoder.
    for (const track of tracks) if (track.id === id) track.enabled = true;
    for (const track of tracks) if (track.id !== id) track.enabled = false;
    this.tell();
  }

  destroy(): Promise<void> {
    this.destroyed = true;
    this.leaving.abort();
    if (this.isOpen) {
      this.isOpen = false;
      this.video.removeAttribute("src");
      this.video.load();
    }
    return Promise.resolve();
  }

  /** The element takes places, and knows the tracks. */
  private begin(): void {
    const { beginning = 0, wanted } = this;
    this.beginning = undefined;
    if (beginning > 0) this.seek(beginning);
    if (wanted !== undefined) this.selectAudio(wanted);
    else this.tell();
  }

  private tracks(): NativeTrack[] {
    return Array.from((this.video as WithTracks).audioTracks ?? []);
  }

  private tell(): void {
    const tracks = this.tracks();
    const described: AudioTrack[] = tracks.map(({ id, label, language }) => ({ id, label, language }));
    this.listener.audio(described, tracks.find(({ enabled }) => enabled)?.id);
  }
}

export const makeNative: EngineMaker = (video, listener) => new NativeEngine(video, listener);
