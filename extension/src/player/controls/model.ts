// The border of the controls: what a session tells them, and what they ask of it.
//
// Everything that the `<video>` says by its own events (time, volume, speed, pause) is absent here:
// the controls listen for it themselves.

import type { PiecesView } from "../../model/generated/PiecesView";

/** One sound or subtitle track that a person can choose. */
export interface TrackChoice {
  /** Unique among the tracks of its kind. */
  id: string;
  /** Its name in the file; empty if it has none. */
  label: string;
  /** Its language (BCP 47 or ISO 639-2); empty if unknown. */
  language: string;
}

/** What a session tells the controls. A part that did not change keeps its identity. */
export interface ControlsModel {
  /** Names the film that is open. With another id, preview pictures and requested places of the old film are forgotten. */
  filmId: string;
  /** The film's name, for full screen and for the system's media panel. */
  title: string;
  /** Which parts of the file are on disk or being fetched; undefined while unknown. */
  pieces: PiecesView | undefined;
  audio: { tracks: readonly TrackChoice[]; selected: string | undefined };
  /** `delayS`: seconds by which subtitles appear later. `size`: factor, 1 is normal. */
  subtitles: {
    tracks: readonly TrackChoice[];
    selected: string | undefined;
    delayS: number;
    size: number;
  };
  hasNext: boolean;
  hasPrevious: boolean;
  /** Length in seconds from elsewhere, used while the element's own is not finite. */
  durationS: number | undefined;
  /** Where the film begins once it is open, seconds; undefined while the element says where it is. */
  beginsAtS: number | undefined;
  /** The film has no picture: no preview, no picture-in-picture, and the screen may go dark. */
  audioOnly: boolean;
}

/** What the controls ask of a session. The answer comes as media events, or as another model. */
export interface ControlsPort {
  /** Goes to a place, seconds, already clamped to the film. Called at most five times a second. */
  seek(toS: number): void;
  selectAudio(id: string): void;
  /** `undefined` switches subtitles off. */
  selectSubtitles(id: string | undefined): void;
  addSubtitleFiles(files: File[]): void;
  /** The whole delay, seconds; negative shows subtitles earlier. */
  setSubtitleDelay(delayS: number): void;
  /** The whole factor, {@link SIZE_LEAST} to {@link SIZE_MOST}. */
  setSubtitleSize(factor: number): void;
  next(): void;
  previous(): void;
  /**
   * A picture of the film at a place, from bytes that are on disk; undefined if there is none. Only called for places whose
   * bytes are there. The controls close the bitmap; 160 pixels of width are enough.
   */
  preview?(atS: number, signal: AbortSignal): Promise<ImageBitmap | undefined>;
}

export const SIZE_LEAST = 0.5;
export const SIZE_MOST = 2.5;

/** The model before a session has said anything. */
export const NO_FILM: ControlsModel = {
  filmId: "",
  title: "",
  pieces: undefined,
  audio: { tracks: [], selected: undefined },
  subtitles: { tracks: [], selected: undefined, delayS: 0, size: 1 },
  hasNext: false,
  hasPrevious: false,
  durationS: undefined,
  beginsAtS: undefined,
  audioOnly: false,
};
