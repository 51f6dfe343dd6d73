// The interface of the controls: the session's model, and requests to the session.
//
// Time, volume, speed and pause are absent: the controls read them from the `<video>`.

import type { PiecesView } from "../../model/generated/PiecesView";

/** A sound or subtitle track. */
export interface TrackChoice {
  /** Unique among the tracks of its kind. */
  id: string;
  /** The track's name in the file. Empty if it has none. */
  label: string;
  /** The track's language (BCP 47 or ISO 639-2). Empty if unknown. */
  language: string;
}

/** The session's model. Parts that did not change stay the same objects. */
export interface ControlsModel {
  /** Identifies the open film. When it changes, preview pictures and pending seeks are dropped. */
  filmId: string;
  /** The film's name, for full screen and the system's media panel. */
  title: string;
  /** Which parts of the file are on disk or being downloaded. `undefined` while unknown. */
  pieces: PiecesView | undefined;
  audio: { tracks: readonly TrackChoice[]; selected: string | undefined };
  /** `delayS`: by how many seconds subtitles appear later. `size`: a factor, 1 is normal. */
  subtitles: {
    tracks: readonly TrackChoice[];
    selected: string | undefined;
    delayS: number;
    size: number;
  };
  hasNext: boolean;
  hasPrevious: boolean;
  /** Length in seconds from another source, used while the element's own is not finite. */
  durationS: number | undefined;
  /** Where the film will begin, in seconds. `undefined` once the element has a position. */
  beginsAtS: number | undefined;
  /** The film has no picture: no preview, no picture-in-picture, and the screen may turn off. */
  audioOnly: boolean;
}

/** Requests of the controls. Media events or a new model follow. */
export interface ControlsPort {
  /** Seeks to a time in seconds, clamped to the film. Called at most five times a second. */
  seek(toS: number): void;
  selectAudio(id: string): void;
  /** `undefined` turns subtitles off. */
  selectSubtitles(id: string | undefined): void;
  addSubtitleFiles(files: File[]): void;
  /** The total delay in seconds. Negative values show subtitles earlier. */
  setSubtitleDelay(delayS: number): void;
  /** The scale, within the limits of `subtitle_size.ts`. */
  setSubtitleSize(factor: number): void;
  next(): void;
  previous(): void;
  /**
   * A picture of the film at a time, from bytes on disk; `undefined` if there is none. Called only
   * for times whose bytes are there. The controls close the bitmap, which needs a width of 160 px.
   */
  preview?(atS: number, signal: AbortSignal): Promise<ImageBitmap | undefined>;
}

/** The model before the session has sent one. */
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
