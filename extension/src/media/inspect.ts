// Decides what a file is and what can play it, from its first bytes and the browser's codecs.

import { BlockReader } from "./blocks";
import { mseType } from "./codecs";
import type { Codec, Demuxed, Stream } from "./film";
import { MatroskaFile } from "./matroska/file";
import { nameOf } from "./names";
import type { AudioTrack, Container, Film, Path, Reason, Sound, Verdict } from "./protocol";
import { Cursor, type RangeSource } from "./reader";

/** What this browser can play. Types are those of `MediaSource.isTypeSupported`. */
export interface Capabilities {
  mse(type: string): boolean;
  /** Whether a plain `<video>` decodes it. */
  element(type: string): boolean;
  /** Whether the browser encodes Opus, the target of sound transcoding. */
  encodesOpus: boolean;
}

/** The result of an inspection. */
export interface Inspected {
  film: Film;
  verdict: Verdict;
  streams: Stream[];
  /** The opened file, if this worker can play it. */
  demuxed: Demuxed | undefined;
  /** Finds the duration (µs) at the file's end, if the head does not tell it. */
  measure?: (() => Promise<number | undefined>) | undefined;
}

/** Sound codecs that this worker can decode. */
const DECODED: ReadonlySet<Codec> = new Set<Codec>([
  "ac3",
  "eac3",
  "dts",
  "pcm",
  "vorbis",
  "mp3",
  "aac",
  "flac",
  "opus",
]);

const SIGNATURES: [string, Container][] = [
  ["\x1a\x45\xdf\xa3", "matroska"],
  ["FLV\x01", "flv"],
  ["\x30\x26\xb2\x75", "asf"],
  ["\0\0\x01\xba", "mpegps"],
  ["\0\0\x01\xb3", "mpegps"],
  ["OggS", "ogg"],
  ["fLaC", "flac"],
  ["ID3", "mp3"],
  // Only ffmpeg reads these: RealMedia, Monkey's Audio, True Audio, WavPack, IVF, MXF, NUT, Windows
  // recordings, AC-3, DTS.
  [".RMF", "other"],
  ["MAC ", "other"],
  ["TTA1", "other"],
  ["wvpk", "other"],
  ["DKIF", "other"],
  ["\x06\x0e\x2b\x34", "other"],
  ["nut/", "other"],
  ["\xb7\xd8\x00\x20", "other"],
  ["\x0b\x77", "other"],
  ["\x7f\xfe\x80\x01", "other"],
];
/** Containers that a `<video>` plays by itself, if it has the codecs. */
const PLAIN: ReadonlySet<Container> = new Set<Container>(["ogg", "flac", "wav", "mp3", "aac"]);

/** The container, from the first bytes of a file. */
export function sniff(bytes: Uint8Array): Container | "unknown" {
  const ascii = (at: number, length: number): string =>
    String.fromCharCode(...bytes.subarray(at, at + length));
  if (["ftyp", "moov", "mdat", "free", "skip", "wide", "styp", "pnot"].includes(ascii(4, 4)))
    return "mp4";
  if (ascii(0, 4) === "RIFF")
    return ascii(8, 3) === "AVI" ? "avi" : ascii(8, 4) === "WAVE" ? "wav" : "other";
  const packets = (first: number, size: number): boolean =>
    [0, 1, 2].every((index) => bytes[first + index * size] === 0x47);
  if (packets(0, 188) || packets(4, 192)) return "mpegts";
  const [, known] = SIGNATURES.find(([begin]) => ascii(0, begin.length) === begin) ?? [];
  if (known) return known;
  // MPEG audio, or ADTS, whose layer is 0.
  if (bytes[0] === 0xff && (bytes[1] ?? 0) >= 0xe0)
    return (bytes[1]! & 0xf6) === 0xf0 ? "aac" : "mp3";
  return "unknown";
}

/** Inspects a file: what it contains, and what can play it. */
export async function inspect(source: RangeSource, capabilities: Capabilities): Promise<Inspected> {
  const cursor = new Cursor(source, 0);
  if (!(await cursor.need(1))) return refused("other", "none", "empty");
  await cursor.need(4 + 2 * 192 + 1);
  const container = sniff(cursor.peek(Math.min(cursor.ready, 4096)));
  if (container === "matroska") {
    const demuxed = await MatroskaFile.open(source, cursor);
    if (!demuxed) return refused("matroska", "none", "broken");
    return judged(demuxed, demuxed, capabilities);
  }
  // Whether the result keeps using the cursor.
  let keepsCursor = false;
  try {
    if (container === "unknown") return refused("other", "none", "not_media");
    if (container === "mpegts") {
      const inspected = await transport(source, cursor, capabilities);
      keepsCursor = inspected.demuxed !== undefined;
      return inspected;
    }
    if (container === "mp4") {
      const { openContainer } = await import("./containers");
      const demuxed = await openContainer(new BlockReader(source, cursor));
      keepsCursor = typeof demuxed !== "string";
      return typeof demuxed === "string"
        ? refused(container, "none", demuxed)
        : judged(demuxed, demuxed, capabilities);
    }
    const { readForeign, measureProgram } = await import("./foreign/read");
    const head = await readForeign(cursor, container, source.size);
    const inspected = judged({ ...head, chapters: [] }, undefined, capabilities);
    return container === "mpegps"
      ? { ...inspected, measure: () => measureProgram(source) }
      : inspected;
  } finally {
    if (!keepsCursor) cursor.cancel();
  }
}

async function transport(
  source: RangeSource,
  cursor: Cursor,
  capabilities: Capabilities,
): Promise<Inspected> {
  const { readTransportHead } = await import("./transport/head");
  const head = await readTransportHead(cursor);
  if (!head || head.streams.length === 0) return refused("mpegts", "none", "broken");
  const { openTransport, measureTransport } = await import("./transport/file");
  const video = head.streams.find(({ stream }) => stream.type === "video");
  // A file whose video can't be read is not opened here.
  const demuxed = !video || video.isRead ? await openTransport(source, cursor, head) : undefined;
  if (demuxed) return judged(demuxed, demuxed, capabilities);
  const facts = {
    container: "mpegts" as const,
    duration: undefined,
    origin: head.origin * 1e6,
    streams: head.streams.map(({ stream }) => stream),
    chapters: [],
  };
  const inspected = judged(facts, undefined, capabilities);
  const verdict: Verdict =
    inspected.verdict.path === "mse" ? { path: "ffmpeg", reason: "container" } : inspected.verdict;
  return { ...inspected, verdict, measure: () => measureTransport(source, head) };
}

function refused(container: Container, path: Path, reason: Reason): Inspected {
  const film: Film = {
    container,
    duration: undefined,
    origin: 0,
    video: [],
    audio: [],
    subtitles: [],
    chapters: [],
  };
  return { film, verdict: { path, reason }, streams: [], demuxed: undefined };
}

/** What the decision is based on. */
type Opened = Pick<Demuxed, "container" | "duration" | "origin" | "streams" | "chapters">;

function judged(
  opened: Opened,
  demuxed: Demuxed | undefined,
  capabilities: Capabilities,
): Inspected {
  const { streams } = opened;
  const film: Film = {
    container: opened.container,
    duration: opened.duration === undefined ? undefined : opened.duration / 1e6,
    origin: (opened.origin ?? 0) / 1e6,
    video: streams
      .filter(({ type }) => type === "video")
      .map((stream) => ({
        id: stream.id,
        codec: stream.codecString,
        name: nameOf(stream),
        width: stream.width,
        height: stream.height,
      })),
    audio: streams
      .filter(({ type }) => type === "audio")
      .map((stream) => audioTrack(stream, capabilities)),
    subtitles: streams
      .filter(({ type }) => type === "subtitle")
      .map(({ id, subtitle, language, title, isDefault, forced, config: header }) => ({
        id,
        format: subtitle ?? "other",
        language,
        title,
        isDefault,
        forced,
        header,
      })),
    chapters: opened.chapters,
  };
  for (const track of film.audio) track.path = decide(opened, film, capabilities, track.id).path;
  return {
    film,
    verdict: decide(opened, film, capabilities),
    streams,
    demuxed,
    measure: demuxed?.measure?.bind(demuxed),
  };
}

function audioTrack(stream: Stream, capabilities: Capabilities): AudioTrack {
  const {
    id,
    codecString: codec,
    channels,
    sampleRate,
    language,
    title,
    isDefault,
    forced,
  } = stream;
  return {
    id,
    codec,
    name: nameOf(stream),
    channels,
    sampleRate,
    language,
    title,
    isDefault,
    forced,
    sound: soundOf(stream, capabilities),
    path: "none",
  };
}

/** How a track's sound gets into a source buffer. */
export function soundOf(
  stream: Stream,
  { mse, encodesOpus }: Pick<Capabilities, "mse" | "encodesOpus">,
): Sound {
  const copies: Codec[] = ["aac", "mp3", "opus", "flac"];
  if (stream.encrypted) return "impossible";
  if (copies.includes(stream.codec) && mse(mseType("audio", stream.codecString))) return "copied";
  return DECODED.has(stream.codec) && encodesOpus ? "transcoded" : "impossible";
}

/** Decides what plays a film, with the default sound track or the track `wanted`. */
export function decide(
  opened: Pick<Demuxed, "container" | "streams">,
  film: Film,
  capabilities: Capabilities,
  wanted?: number,
): Verdict {
  const { container } = opened;
  const of = (type: Stream["type"]): Stream[] =>
    opened.streams.filter((stream) => stream.type === type);
  const [video] = of("video");
  const audio = of("audio");
  const chosen =
    audio.find(({ id }) => id === wanted) ?? audio.find(({ isDefault }) => isDefault) ?? audio[0];
  const foreign = !READ.has(container);
  // ffmpeg may know formats that are unknown here.
  if (!video && !chosen)
    return foreign
      ? { path: "ffmpeg", reason: "container" }
      : { path: "none", reason: "no_streams" };
  if (video?.encrypted || (audio.length > 0 && audio.every(({ encrypted }) => encrypted)))
    return { path: "none", reason: "encrypted" };

  const elementPictures = !video || capabilities.element(elementType(container, video));
  const elementSound = !chosen || capabilities.element(elementType(container, chosen));
  // By default, a `<video>` plays the first sound track.
  const hearsChosen = chosen === audio[0];
  if (foreign) {
    if (!PLAIN.has(container)) return { path: "ffmpeg", reason: "container" };
    if (elementPictures && elementSound && hearsChosen)
      return { path: "native", reason: "plays_as_is" };
    return { path: "ffmpeg", reason: elementPictures ? "audio_codec" : "video_codec" };
  }

  const copyPictures =
    !video || (COPIED.has(video.codec) && capabilities.mse(mseType("video", video.codecString)));
  if (!elementPictures && !copyPictures) return { path: "ffmpeg", reason: "video_codec" };
  const soundHere = film.audio.some(
    ({ id, sound }) => sound !== "impossible" && (wanted === undefined || id === wanted),
  );
  const asIs = elementPictures && elementSound && container !== "mpegts";
  // An MP4 has started in the `<video>` before this is known, so it stays there until another track
  // is wanted.
  const several = audio.length > 1 && (container !== "mp4" || !hearsChosen);
  const choice = several || film.subtitles.some(({ format }) => format !== "other");
  if (asIs && !choice) return { path: "native", reason: "plays_as_is" };
  if (copyPictures && (audio.length === 0 || soundHere)) {
    const possible = film.audio.filter(({ sound }) => sound !== "impossible");
    const heard = possible.find(({ id }) => id === chosen?.id) ?? possible[0];
    const transcoded =
      heard?.sound === "transcoded" &&
      !audio.some(
        (stream) => stream.id === heard.id && capabilities.element(elementType(container, stream)),
      );
    if (transcoded) return { path: "mse", reason: "sound_transcoded" };
    if (container === "mpegts") return { path: "mse", reason: "container" };
    return { path: "mse", reason: audio.length > 1 ? "tracks_to_choose" : "subtitles_inside" };
  }
  if (asIs && (wanted === undefined || hearsChosen))
    return { path: "native", reason: "plays_as_is" };
  return { path: "ffmpeg", reason: copyPictures ? "audio_codec" : "video_codec" };
}

/** Containers that this worker plays. */
const READ: ReadonlySet<Container> = new Set<Container>(["matroska", "webm", "mp4", "mpegts"]);
/** Containers whose video ffmpeg can copy. The others lack the times that MP4 needs. */
const COPYABLE: ReadonlySet<Container> = new Set<Container>([...READ, "flv"]);

/** What ffmpeg should do with a film's video. */
export function converted(
  { container }: Pick<Film, "container">,
  streams: readonly Stream[],
  mse: Capabilities["mse"],
): "copy" | "h264" {
  const video = streams.find(({ type }) => type === "video");
  if (!video) return "copy";
  return COPYABLE.has(container) &&
    COPIED.has(video.codec) &&
    mse(mseType("video", video.codecString))
    ? "copy"
    : "h264";
}

const COPIED: ReadonlySet<Codec> = new Set<Codec>(["h264", "hevc", "vp9", "av1"]);

/** The type under which a `<video>` plays a stream. It supports VP8 and Vorbis only in WebM. */
function elementType(container: Container, stream: Stream): string {
  const type = stream.type === "video" ? "video" : "audio";
  if (stream.codec === "vp8" || stream.codec === "vorbis")
    return `${type}/webm; codecs="${stream.codec}"`;
  if (stream.codec === "mp3") return "audio/mpeg";
  // These names are not codec strings and would be misunderstood.
  if (stream.codec === "mp2" || stream.codec === "other") return `${type}/none`;
  if (stream.codec === "pcm")
    return container === "mp4" || container === "matroska" || container === "wav"
      ? 'audio/wav; codecs="1"'
      : "audio/none";
  return mseType(type, stream.codecString);
}
