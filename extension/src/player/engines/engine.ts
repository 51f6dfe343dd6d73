// What plays a film, whatever plays it: a worker that reads it (`mse`), or the user's ffmpeg
// (`ffmpeg`). What the `<video>` reads by itself needs none.
//
// A session owns one engine at a time and tells it what to do; what becomes of that it learns from
// the `<video>`'s own events, and from the engine only what those can't say. An engine touches the
// `<video>`'s source and its place, and nothing else of the page. Invariant: after `destroy` it
// touches neither, and calls nobody.

/** One film for an engine to open. */
export interface Film {
  /** Its address at the daemon; byte ranges can be asked for. It answers as fast as the torrent allows. */
  url: string;
  /** Its path in the torrent; the end of its name says what kind of file it is. */
  path: string;
  /** Length, bytes. */
  length: number;
  /** Media type by its name, such as `video/mp4`. */
  contentType: string;
}

/** One of a film's sound tracks. */
export interface AudioTrack {
  /** Names it to `selectAudio`; unique within the film. */
  id: string;
  /** Its name in the file; empty if it has none. */
  label: string;
  /** Its language as the file has it (BCP 47 or ISO 639-2); empty if unknown. */
  language: string;
}

/** What a session hears of its engine. */
export interface EngineListener {
  /** The sound tracks of the film that is open are known, or another one is chosen. */
  audio(tracks: readonly AudioTrack[], selected: string | undefined): void;
  /**
   * It can't go on, for a reason that the `<video>` does not have as its own `error`. `isFinal`: opening it again would end the same way.
   * `isHere`: the film itself is damaged, perhaps at this place only.
   */
  failed(words: string, isFinal: boolean, isHere: boolean): void;
}

/** Plays films in the `<video>` that it was made for, one after another. */
export interface Engine {
  /**
   * Opens a film in place of the former one; `atS` is where to begin, seconds. Returns before anything came: the `<video>`'s `loadedmetadata`, or
   * `failed`, says how that went. Whether it plays is the caller's to say, by the `<video>`.
   */
  open(film: Film, atS: number): void;
  /** Goes to a place, seconds; clamped to the film. Before the film is open it counts as where to begin. */
  seek(toS: number): void;
  /** Plays another sound track from here on; an id that the film lacks changes nothing. */
  selectAudio(id: string): void;
  /** The same film is at another address now: what is buffered stays. */
  moved(url: string): void;
  /** Whether engine and daemon are connected, as far as the page knows: while they are not, what the daemon refuses may come yet. */
  linked(connected: boolean): void;
  /** Lets go of the `<video>`, its source, and all that is under way; resolves when nothing of it is left. */
  destroy(): Promise<void>;
}
