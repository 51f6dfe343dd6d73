// What a file is, and who can play it: decided from its first bytes and a description of what this browser decodes.

import { mseType } from "./codecs";
import type { Codec, Demuxed, Stream } from "./film";
import { MatroskaFile } from "./matroska/file";
import type { AudioTrack, Container, Film, Reason, Sound, Verdict } from "./protocol";
import { Cursor, type RangeSource } from "./reader";

/** What plays here. Types are those of `MediaSource.isTypeSupported`. */
export interface Capabilities {
  mse(type: string): boolean;
  /** Whether a plain `<video>` decodes it. */
  element(type: string): boolean;
  /** Whether Opus can be encoded, into which sound is transcoded. */
  encodesOpus: boolean;
}

export interface Inspected {
  film: Film;
  verdict: Verdict;
  /** The opened file, when this worker could play it. */
  demuxed: Demuxed | undefined;
}

/** What of sound can be decoded in this worker, by whatever means. */
const DECODED: ReadonlySet<Codec> = new Set<Codec>(["ac3", "eac3", "dts", "pcm", "vorbis", "mp3", "aac", "flac", "opus"]);

/** The container, from the first bytes of a file. */
export function sniff(bytes: Uint8Array): Container | "unknown" {
  const ascii = (at: number, length: number): string => String.fromCharCode(...bytes.subarray(at, at + length));
  if (ascii(0, 4) === "\x1a\x45\xdf\xa3") return "matroska";
  if (["ftyp", "moov", "mdat", "free", "skip", "wide", "styp", "pnot"].includes(ascii(4, 4))) return "mp4";
  if (ascii(0, 4) === "RIFF" && ascii(8, 3) === "AVI") return "avi";
  const packets = (first: number, size: number): boolean => [0, 1, 2].every((index) => bytes[first + index * size] === 0x47);
  if (packets(0, 188) || packets(4, 192)) return "mpegts";
  if (["RIFF", "OggS", "fLaC", "FLV\x01", "\x30\x26\xb2\x75", "\0\0\x01\xba", "\0\0\x01\xb3"].includes(ascii(0, 4))) return "other";
  if (ascii(0, 3) === "ID3" || (bytes[0] === 0xff && (bytes[1] ?? 0) >= 0xe0)) return "other";
  return "unknown";
}

/** Of containers that aren't opened here, those that the element plays. */
function playedByElement(bytes: Uint8Array): boolean {
  const begin = String.fromCharCode(...bytes.subarray(0, 4));
  return begin === "OggS" || begin === "fLaC" || begin.startsWith("ID3") || begin === "RIFF" || (bytes[0] === 0xff && (bytes[1] ?? 0) >= 0xe0);
}

export async function inspect(source: RangeSource, capabilities: Capabilities): Promise<Inspected> {
  const cursor = new Cursor(source, 0);
  if (!(await cursor.need(1))) return refused("other", "none", "empty");
  await cursor.need(4 + 2 * 192 + 1);
  const first = cursor.peek(Math.min(cursor.ready, 4096));
  const container = sniff(first);
  if (container === "matroska") {
    const demuxed = await MatroskaFile.open(source, cursor);
    if (!demuxed) return refused("matroska", "none", "broken");
    return judged(demuxed, capabilities);
  }
  const played = playedByElement(first);
  cursor.cancel();
  switch (container) {
    case "mp4":
    case "mpegts": {
      const { openContainer } = await import("./containers");
      const demuxed = await openContainer(source, container);
      return demuxed ? judged(demuxed, capabilities) : refused(container, "none", "broken");
    }
    case "avi":
      return refused("avi", "ffmpeg", "container");
    case "other":
      return played ? refused("other", "native", "plays_as_is") : refused("other", "ffmpeg", "container");
    default:
      return refused("other", "none", "not_media");
  }
}

function refused(container: Container, path: Verdict["path"], reason: Reason): Inspected {
  const film: Film = { container, duration: undefined, video: [], audio: [], subtitles: [], chapters: [] };
  return { film, verdict: { path, reason }, demuxed: undefined };
}

async function judged(demuxed: Demuxed, capabilities: Capabilities): Promise<Inspected> {
  const { streams } = demuxed;
  const film: Film = {
    container: demuxed.container,
    duration: demuxed.duration === undefined ? undefined : demuxed.duration / 1e6,
    video: streams.filter(({ type }) => type === "video").map(({ id, codecString: codec, width, height }) => ({ id, codec, width, height })),
    audio: streams.filter(({ type }) => type === "audio").map((stream) => audioTrack(stream, capabilities)),
    subtitles: streams
      .filter(({ type }) => type === "subtitle")
      .map(({ id, subtitle, language, title, isDefault, forced, config: header }) => ({ id, format: subtitle ?? "other", language, title, isDefault, forced, header })),
    chapters: demuxed.chapters,
  };
  return { film, verdict: decide(demuxed, film, capabilities), demuxed };
}

function audioTrack(stream: Stream, capabilities: Capabilities): AudioTrack {
  const { id, codecString: codec, channels, sampleRate, language, title, isDefault, forced } = stream;
  return { id, codec, channels, sampleRate, language, title, isDefault, forced, sound: soundOf(stream, capabilities) };
}

/** How a track's sound comes into a source buffer. */
export function soundOf(stream: Stream, { mse, encodesOpus }: Pick<Capabilities, "mse" | "encodesOpus">): Sound {
  const copies: Codec[] = ["aac", "mp3", "opus", "flac"];
  if (stream.encrypted) return "impossible";
  if (copies.includes(stream.codec) && mse(mseType("audio", stream.codecString))) return "copied";
  return DECODED.has(stream.codec) && encodesOpus ? "transcoded" : "impossible";
}

/** Chooses who plays a film. */
export function decide(demuxed: Pick<Demuxed, "container" | "streams">, film: Film, capabilities: Capabilities): Verdict {
  const of = (type: Stream["type"]): Stream[] => demuxed.streams.filter((stream) => stream.type === type);
  const [video] = of("video");
  const audio = of("audio");
  const chosen = audio.find(({ isDefault }) => isDefault) ?? audio[0];
  if (!video && !chosen) return { path: "none", reason: "no_streams" };
  if (video?.encrypted || (audio.length > 0 && audio.every(({ encrypted }) => encrypted))) return { path: "none", reason: "encrypted" };

  const sounds = film.audio.map(({ sound }) => sound);
  const elementPictures = !video || capabilities.element(elementType(demuxed.container, video));
  const copyPictures = !video || (COPIED.has(video.codec) && capabilities.mse(mseType("video", video.codecString)));
  if (!elementPictures && !copyPictures) return { path: "ffmpeg", reason: "video_codec" };

  const elementSound = !chosen || capabilities.element(elementType(demuxed.container, chosen));
  const asIs = elementPictures && elementSound && demuxed.container !== "mpegts";
  const choice = audio.length > 1 || film.subtitles.some(({ format }) => format !== "other");
  if (asIs && !choice) return { path: "native", reason: "plays_as_is" };
  if (copyPictures && (sounds.length === 0 || sounds.some((sound) => sound !== "impossible"))) {
    if (!elementSound) return { path: "mse", reason: "sound_transcoded" };
    if (demuxed.container === "mpegts") return { path: "mse", reason: "container" };
    return { path: "mse", reason: audio.length > 1 ? "tracks_to_choose" : "subtitles_inside" };
  }
  if (asIs) return { path: "native", reason: "plays_as_is" };
  return { path: "ffmpeg", reason: copyPictures ? "audio_codec" : "video_codec" };
}

const COPIED: ReadonlySet<Codec> = new Set<Codec>(["h264", "hevc", "vp9", "av1"]);

/** The type under which an element would play a stream of a container. VP8 and Vorbis exist for it in WebM only. */
function elementType(container: Container, stream: Stream): string {
  const type = stream.type === "video" ? "video" : "audio";
  if (stream.codec === "vp8" || stream.codec === "vorbis") return `${type}/webm; codecs="${stream.codec}"`;
  if (stream.codec === "mp3") return "audio/mpeg";
  if (stream.codec === "pcm") return container === "mp4" || container === "matroska" ? 'audio/wav; codecs="1"' : "audio/none";
  return mseType(type, stream.codecString);
}
