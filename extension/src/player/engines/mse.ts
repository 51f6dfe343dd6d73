// Plays a film by the media worker, which demuxes it, and decodes what sound the browser can't.

import type { Cue, Film as Inspected, Font, FromWorker, ToWorker, Verdict } from "../../media/protocol";
import { FedEngine, type FedListener } from "./fed";
import { troubleWords } from "./words";

/** What a session may hear besides what every engine says. */
export interface MseListener extends FedListener {
  /** Blocks of the subtitle tracks that were asked for. */
  cues?(cues: Cue[]): void;
}

export class MseEngine extends FedEngine<MseListener> {
  private subtitles: number[] = [];

  /** The subtitle tracks whose blocks are wanted from now on. Before the film is open they count as those to begin with. */
  selectSubtitles(tracks: number[]): void {
    this.subtitles = tracks;
    this.post({ kind: "subtitles", tracks });
  }

  /** Bytes of a font inside the film; `undefined` when they can't be had. */
  font(at: number, size: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return this.ask((id) => ({ kind: "font", id, at, size })).then((answer) => (answer?.kind === "font" ? answer.data : undefined));
  }

  /** The fonts inside the film, for styled subtitles. */
  fonts(): Promise<Font[]> {
    return this.ask((id) => ({ kind: "fonts", id })).then((answer) => (answer?.kind === "fonts" ? answer.fonts : []));
  }

  protected override plan(film: Inspected, verdict: Verdict, at: number, audio: number | undefined): ToWorker | string {
    // Another track than the one that was judged may be the one that can be heard here.
    const path = film.audio.find(({ id }) => id === audio)?.path ?? verdict.path;
    if (path === "ffmpeg" || path === "none") return troubleWords(verdict.reason === "broken" ? "broken" : "unplayable", "");
    if (this.subtitles.length > 0) this.post({ kind: "subtitles", tracks: this.subtitles });
    return { kind: "play", at, audio };
  }

  protected override offers({ sound }: Inspected["audio"][number]): boolean {
    return sound !== "impossible";
  }

  protected override hear(message: FromWorker): void {
    if (message.kind === "cues") this.listener.cues?.(message.cues);
  }
}
