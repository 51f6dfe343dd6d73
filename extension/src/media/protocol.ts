// The messages between player and media worker, and the description of a film.
//
// Times are in seconds on the `<video>`'s time line. This file contains only types.

/** The container format. */
export type Container =
  | "matroska"
  | "webm"
  | "mp4"
  | "mpegts"
  | "avi"
  | "flv"
  | "asf"
  | "mpegps"
  | "ogg"
  | "flac"
  | "wav"
  | "mp3"
  | "aac"
  | "other";

/** A video track of a film. */
export interface VideoTrack {
  id: number;
  /** An RFC 6381 codec string if known ("avc1.640028"), else the container's own name. */
  codec: string;
  /** The codec's display name, such as "HEVC". */
  name: string;
  /** In px. 0 if unknown. */
  width: number;
  height: number;
}

/** How a track's sound reaches the `<video>`. */
export type Sound = "copied" | "transcoded" | "impossible";

/** A sound track of a film. */
export interface AudioTrack {
  id: number;
  codec: string;
  /** The codec's display name, such as "TrueHD". */
  name: string;
  channels: number;
  /** In Hz. */
  sampleRate: number;
  /** BCP 47 or ISO 639-2 as in the file. `undefined` if unknown. */
  language: string | undefined;
  title: string | undefined;
  isDefault: boolean;
  forced: boolean;
  sound: Sound;
  /** What plays the film with this track. */
  path: Path;
}

/** The format of a subtitle track. */
export type SubtitleFormat = "srt" | "ass" | "pgs" | "other";

/** A subtitle track inside a film. */
export interface SubtitleTrack {
  id: number;
  format: SubtitleFormat;
  language: string | undefined;
  title: string | undefined;
  isDefault: boolean;
  forced: boolean;
  /** The CodecPrivate. For ASS, the script's head with its styles. */
  header: Uint8Array | undefined;
}

/** A chapter of a film. */
export interface Chapter {
  start: number;
  title: string;
}

/** A font inside the file, for styled subtitles. Its bytes are not fetched yet. */
export interface Font {
  name: string;
  mime: string;
  /** Byte offset in the file, and length in bytes. */
  at: number;
  size: number;
}

/** What an inspection found in a film. */
export interface Film {
  container: Container;
  /** In seconds. `undefined` if the file does not tell it. */
  duration: number | undefined;
  /**
   * Difference between the file's time stamps and the `<video>`'s time line, in seconds: transport
   * streams start anywhere.
   */
  origin: number;
  video: VideoTrack[];
  audio: AudioTrack[];
  subtitles: SubtitleTrack[];
  chapters: Chapter[];
}

/** What can play a film: the `<video>` alone, this worker, the user's ffmpeg, or nothing. */
export type Path = "native" | "mse" | "ffmpeg" | "none";

/** Why a path was chosen. */
export type Reason =
  /** The `<video>` plays everything in the file. */
  | "plays_as_is"
  /** The sound has to be decoded here. */
  | "sound_transcoded"
  /** There are several sound tracks, and the `<video>` alone can't choose. */
  | "tracks_to_choose"
  /** There are subtitles inside the file. */
  | "subtitles_inside"
  /** The `<video>` does not support the container. */
  | "container"
  /** The browser does not decode the video. */
  | "video_codec"
  /** Nothing here decodes the sound. */
  | "audio_codec"
  | "encrypted"
  /** There is neither video nor sound. */
  | "no_streams"
  | "empty"
  | "broken"
  | "not_media";

/** What plays a film best, and why. */
export interface Verdict {
  path: Path;
  reason: Reason;
}

/** Why the worker can't continue. */
export type TroubleKind =
  /** ffmpeg, or the daemon that runs it, failed. `detail` is the daemon's sentence. */
  | "converter"
  /** The daemon converts other films. `detail` as above. */
  | "busy"
  /** The address gives 404 or 403 although the daemon has an engine, or the file has changed. */
  | "gone"
  /** Nothing answers, and the worker has given up. */
  | "unreachable"
  /** The bytes don't match the container format. */
  | "broken"
  /** The browser refused the appended data. */
  | "unplayable"
  /** The sound can't be decoded. */
  | "sound";

/** A block of a subtitle track as stored in the file. */
export interface Cue {
  track: number;
  start: number;
  end: number | undefined;
  /**
   * S_TEXT/UTF8 and S_TEXT/WEBVTT: text. S_TEXT/ASS: one event without times. S_HDMV/PGS: segments.
   */
  data: Uint8Array<ArrayBuffer>;
}

/** Player → worker. */
export type ToWorker =
  | { kind: "open"; url: string; elementTypes: string[] }
  /** Plays the film. `audio` is a track's id, or `undefined` for the default track. */
  | { kind: "play"; at: number; audio: number | undefined }
  /** Plays the film through the daemon's ffmpeg. `audio` as above. */
  | { kind: "convert"; at: number; audio: number | undefined }
  | { kind: "seek"; at: number }
  /** The element's time, sent a few times a second, for read-ahead and eviction. */
  | { kind: "position"; at: number }
  | { kind: "audio"; track: number }
  /** Selects the subtitle tracks to send. */
  | { kind: "subtitles"; tracks: number[] }
  /** Requests the film's length if its head does not tell it. Reads the film's end. */
  | { kind: "length"; id: number }
  /** Requests the list of fonts in the file. May need a request at the file's end. */
  | { kind: "fonts"; id: number }
  /** Requests the bytes of a font. */
  | { kind: "font"; id: number; at: number; size: number }
  /** The file has a new address: the daemon has restarted. */
  | { kind: "address"; url: string }
  /** Whether the daemon is connected. While it is not, refused requests are repeated. */
  | { kind: "link"; connected: boolean }
  /** Requests a `statistics` message. */
  | { kind: "measure" };

/** Numbers about a playback, for tests. */
export interface Statistics {
  /** Bytes received with `fetch`. */
  fetched: number;
  requests: number;
  appended: number;
  /** The most bytes in both source buffers at one time. */
  buffered: number;
}

/** Worker → player. */
export type FromWorker =
  | { kind: "opened"; film: Film; verdict: Verdict }
  | { kind: "source"; handle: MediaSourceHandle }
  | { kind: "duration"; duration: number }
  /** The first picture is at `at`, later than requested: the element should seek there. */
  | { kind: "begins"; at: number }
  | { kind: "audio"; track: number }
  | { kind: "cues"; cues: Cue[] }
  | { kind: "length"; id: number; duration: number | undefined }
  | { kind: "fonts"; id: number; fonts: Font[] }
  | { kind: "font"; id: number; data: Uint8Array<ArrayBuffer> | undefined }
  /** Whether the worker waits for the daemon. */
  | { kind: "waiting"; waiting: boolean }
  | { kind: "trouble"; trouble: TroubleKind; detail: string }
  | { kind: "statistics"; statistics: Statistics };

/** The handle of a MediaSource in a worker, which TypeScript's DOM types lack. */
export type MediaSourceHandle = MediaProvider & { readonly __handle?: never };

/**
 * Requests a preview picture near `at` seconds, at most `width` px wide. A newer
 * request replaces it.
 */
export interface ToPreview {
  id: number;
  url: string;
  at: number;
  width: number;
}

/** The answer. `undefined` if there is no picture or the request was replaced. */
export interface FromPreview {
  id: number;
  picture: ImageBitmap | undefined;
}
