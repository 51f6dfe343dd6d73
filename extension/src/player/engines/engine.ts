// The interface of engines, which feed a film to the `<video>`: the media worker (`mse`) or the
// user's ffmpeg (`ffmpeg`). Films that the `<video>` reads by itself need none.
//
// A session owns one engine at a time. It learns most from the `<video>`'s own events, and from the
// engine only what these can't tell. Invariant: an engine changes only the `<video>`'s source and
// position, and after `destroy` it changes and calls nothing.

/** A film to open. */
export interface Film {
  /** The film's address at the daemon, for range requests. Responses wait for the torrent. */
  url: string;
  /** The path in the torrent. Its extension says what kind of file it is. */
  path: string;
  /** Length in bytes. */
  length: number;
  /** Media type by the file's name, such as `video/mp4`. */
  contentType: string;
}

/** A sound track of a film. */
export interface AudioTrack {
  /** Identifies the track in `selectAudio`. Unique within the film. */
  id: string;
  /** The track's name in the file. Empty if it has none. */
  label: string;
  /** The track's language in the file (BCP 47 or ISO 639-2). Empty if unknown. */
  language: string;
}

/** What a session is told by its engine. */
export interface EngineListener {
  /** The film's sound tracks became known, or another one is selected. */
  audio(tracks: readonly AudioTrack[], selected: string | undefined): void;
  /**
   * The engine can't continue, for a reason that is not in the `<video>`'s `error`. `isFinal`:
   * opening the film again would fail in the same way. `isHere`: the film is damaged, perhaps only
   * at this place.
   */
  failed(words: string, isFinal: boolean, isHere: boolean): void;
}

/** Plays films in one `<video>`, one after another. */
export interface Engine {
  /**
   * Opens a film in place of the former one, at `atS` seconds. Returns at once: the `<video>`'s
   * `loadedmetadata`, or `failed`, reports the outcome. The caller starts and pauses the `<video>`.
   */
  open(film: Film, atS: number): void;
  /**
   * Seeks to a time in seconds, clamped to the film. Before the film is open, this sets where it
   * begins.
   */
  seek(toS: number): void;
  /** Plays another sound track. An unknown id is ignored. */
  selectAudio(id: string): void;
  /** Sets a new address of the same film. Buffered data are kept. */
  moved(url: string): void;
  /** Sets whether the daemon is connected. While it is not, refused requests are tried again. */
  linked(connected: boolean): void;
  /** Releases the `<video>` and stops everything. Resolves when nothing is left. */
  destroy(): Promise<void>;
}
