// All that the player knows of the media worker: what a film is, which way it can be played, and
// the messages.
//
// Times are seconds on the media element's time line. This file holds types only, so importing it
// costs nothing.

/** What holds the streams. */
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

export interface VideoTrack {
  id: number;
  /** A codec string of RFC 6381 where it is known ("avc1.640028"), else the container's own name of it. */
  codec: string;
  /** What people call the codec: "HEVC". */
  name: string;
  /** Pixels; 0 where unknown. */
  width: number;
  height: number;
}

/** How the sound of a track reaches the element. */
export type Sound = "copied" | "transcoded" | "impossible";

export interface AudioTrack {
  id: number;
  codec: string;
  /** What people call the codec: "TrueHD". */
  name: string;
  channels: number;
  /** Hz. */
  sampleRate: number;
  /** BCP 47 or ISO 639-2 as the file says it, or `undefined`. */
  language: string | undefined;
  title: string | undefined;
  isDefault: boolean;
  forced: boolean;
  sound: Sound;
  /** Who plays the film with this track. */
  path: Path;
}

export type SubtitleFormat = "srt" | "ass" | "pgs" | "other";

export interface SubtitleTrack {
  id: number;
  format: SubtitleFormat;
  language: string | undefined;
  title: string | undefined;
  isDefault: boolean;
  forced: boolean;
  /** The CodecPrivate: for ASS the script's head with its styles. */
  header: Uint8Array | undefined;
}

export interface Chapter {
  start: number;
  title: string;
}

/** A font inside the file, for styled subtitles: bytes of the file, not fetched yet. */
export interface Font {
  name: string;
  mime: string;
  /** Byte offset in the file, and length in bytes. */
  at: number;
  size: number;
}

export interface Film {
  container: Container;
  /** Seconds; `undefined` where the file does not say. */
  duration: number | undefined;
  /** How far the file's own time stamps are ahead of the element's time line, seconds: transport streams begin anywhere. */
  origin: number;
  video: VideoTrack[];
  audio: AudioTrack[];
  subtitles: SubtitleTrack[];
  chapters: Chapter[];
}

/** Who can play a film: the element alone, this worker, the user's ffmpeg, nobody. */
export type Path = "native" | "mse" | "ffmpeg" | "none";

/** Why a path was chosen. */
export type Reason =
  /** The element plays all that is in the file. */
  | "plays_as_is"
  /** The sound has to be decoded here. */
  | "sound_transcoded"
  /** Several audio tracks: the element alone can't choose. */
  | "tracks_to_choose"
  /** Subtitles lie inside the file. */
  | "subtitles_inside"
  /** The element does not open this container. */
  | "container"
  /** This browser decodes no such picture. */
  | "video_codec"
  /** Nothing here decodes the sound. */
  | "audio_codec"
  | "encrypted"
  /** Neither picture nor sound. */
  | "no_streams"
  | "empty"
  | "broken"
  | "not_media";

export interface Verdict {
  path: Path;
  reason: Reason;
}

export type TroubleKind =
  /** ffmpeg, or the daemon that runs it, can't: `detail` is the daemon's sentence about it. */
  | "converter"
  /** The daemon converts other films; `detail` as above. */
  | "busy"
  /** The address answers no longer (404, 403) although the daemon has its engine, or the file behind it has changed. */
  | "gone"
  /** Nobody answers; the worker has given up trying. */
  | "unreachable"
  /** The bytes are not what the container promises. */
  | "broken"
  /** The browser refused what was appended. */
  | "unplayable"
  /** The sound can't be decoded. */
  | "sound";

/** One block of a subtitle track, as it lies in the file. */
export interface Cue {
  track: number;
  start: number;
  end: number | undefined;
  /** S_TEXT/UTF8 and S_TEXT/WEBVTT: text. S_TEXT/ASS: one event without its times. S_HDMV/PGS: segments. */
  data: Uint8Array<ArrayBuffer>;
}

export type ToWorker =
  | { kind: "open"; url: string; elementTypes: string[] }
  /** Starts playing; `audio` is a track's id, or `undefined` for the default one. */
  | { kind: "play"; at: number; audio: number | undefined }
  /** Starts playing what the daemon's ffmpeg makes of the film; `audio` as above. */
  | { kind: "convert"; at: number; audio: number | undefined }
  | { kind: "seek"; at: number }
  /** Where the element is: sent a few times a second while playing, for read-ahead and eviction. */
  | { kind: "position"; at: number }
  | { kind: "audio"; track: number }
  /** The tracks whose blocks are wanted from now on. */
  | { kind: "subtitles"; tracks: number[] }
  /** Asks for the film's length where its head does not tell it: its end is read for that. */
  | { kind: "length"; id: number }
  /** Asks for the fonts inside the file: a request of its own where they lie at its end. */
  | { kind: "fonts"; id: number }
  /** Asks for the bytes of one. */
  | { kind: "font"; id: number; at: number; size: number }
  /** The same file at another address: the daemon came back elsewhere. */
  | { kind: "address"; url: string }
  /** Whether the page finds engine and daemon connected. While they are not, what the daemon refuses is asked for again. */
  | { kind: "link"; connected: boolean }
  /** Asks for a `statistics` message. */
  | { kind: "measure" };

export interface Statistics {
  /** Bytes that came by `fetch`. */
  fetched: number;
  requests: number;
  appended: number;
  /** The most bytes that lay in both source buffers. */
  buffered: number;
}

export type FromWorker =
  | { kind: "opened"; film: Film; verdict: Verdict }
  | { kind: "source"; handle: MediaSourceHandle }
  | { kind: "duration"; duration: number }
  /** The first picture begins at `at`, later than it was asked for: the element should go there. */
  | { kind: "begins"; at: number }
  | { kind: "audio"; track: number }
  | { kind: "cues"; cues: Cue[] }
  | { kind: "length"; id: number; duration: number | undefined }
  | { kind: "fonts"; id: number; fonts: Font[] }
  | { kind: "font"; id: number; data: Uint8Array<ArrayBuffer> | undefined }
  /** Nobody answers, and is asked again; or bytes come again. */
  | { kind: "waiting"; waiting: boolean }
  | { kind: "trouble"; trouble: TroubleKind; detail: string }
  | { kind: "statistics"; statistics: Statistics };

/** What a MediaSource in a worker gives to the page (the DOM types of this compiler lack it). */
export type MediaSourceHandle = MediaProvider & { readonly __handle?: never };

/** Asks the worker of the bar's pictures for one: of the film at `url`, near `at` (seconds), at most `width` pixels wide. A newer question replaces it. */
export interface ToPreview {
  id: number;
  url: string;
  at: number;
  width: number;
}

/** Its answer; `undefined` when there is none, or it was replaced. */
export interface FromPreview {
  id: number;
  picture: ImageBitmap | undefined;
}
