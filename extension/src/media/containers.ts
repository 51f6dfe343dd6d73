// Demuxes MP4 with mediabunny. A chunk of its own, loaded only for such films.
//
// Each reading has an `Input` of its own over one shared block reader, so a cancelled reading
// leaves nothing behind.

import {
  CustomSource,
  type EncodedPacket,
  EncodedPacketSink,
  Input,
  type InputAudioTrack,
  type InputVideoTrack,
  MP4,
  QTFF,
} from "mediabunny";
import type { BlockReader } from "./blocks";
import { aacConfig, codecString, frameDuration } from "./codecs";
import type { Codec, Demuxed, Packet, Reading, Stream } from "./film";
import type { Chapter, Font } from "./protocol";

const CODECS: Record<string, Codec> = {
  avc: "h264",
  hevc: "hevc",
  vp8: "vp8",
  vp9: "vp9",
  av1: "av1",
  aac: "aac",
  mp3: "mp3",
  ac3: "ac3",
  eac3: "eac3",
  dts: "dts",
  opus: "opus",
  vorbis: "vorbis",
  flac: "flac",
};
const MOST_TRACKS = 64;

/** Opens a file. If no track can be read, the result tells at least whether they are encrypted. */
export async function openContainer(
  blocks: BlockReader,
): Promise<Demuxed | "encrypted" | "broken"> {
  const file = new ContainerFile(blocks);
  return (await file.open()) ? file : file.isLocked ? "encrypted" : "broken";
}

class ContainerFile implements Demuxed {
  readonly container = "mp4";
  duration: number | undefined;
  streams: Stream[] = [];
  readonly chapters: Chapter[] = [];
  private readonly locked = new Set<string>();
  private wasRead = false;

  constructor(private readonly blocks: BlockReader) {}

  async open(): Promise<boolean> {
    const input = this.input((bytes) => this.lookForEncryption(bytes));
    try {
      const tracks = (await input.getTracks())
        .filter((track) => track.isVideoTrack() || track.isAudioTrack())
        .slice(0, MOST_TRACKS);
      for (const track of tracks)
        this.streams.push(await describe(track as InputVideoTrack | InputAudioTrack));
      const durations = await Promise.all(tracks.map((track) => track.getDurationFromMetadata()));
      const longest = Math.max(...durations.map((duration) => duration ?? 0));
      if (longest > 0 && Number.isFinite(longest)) this.duration = Math.round(longest * 1e6);
      if (this.isLocked) for (const stream of this.streams) stream.encrypted = true;
      return this.streams.length > 0;
    } catch (error) {
      if (error instanceof Error && error.name !== "AbortError" && !("kind" in error)) return false;
      throw error;
    } finally {
      input.dispose();
    }
  }

  fonts(): Promise<Font[]> {
    return Promise.resolve([]);
  }

  before(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  close(): void {
    this.blocks.cancel();
  }

  async read(
    pts: number,
    video: number | undefined,
    wanted: ReadonlySet<number>,
  ): Promise<Reading> {
    // The first reading continues with the bytes of opening.
    if (this.wasRead) this.blocks.cancel();
    this.wasRead = true;
    const input = this.input();
    const tracks = (await input.getTracks()).filter((track) => wanted.has(track.id));
    const at = pts / 1e6;
    const feeds: Feed[] = [];
    let begin = at;
    // The video track's key frame decides where the others begin.
    for (const track of [...tracks].sort(
      (a, b) => Number(b.id === video) - Number(a.id === video),
    )) {
      const sink = new EncodedPacketSink(track);
      const isVideo = track.id === video;
      const packet =
        (pts <= 0
          ? null
          : isVideo
            ? await sink.getKeyPacket(at, { verifyKeyPackets: false })
            : await sink.getPacket(begin)) ?? (await sink.getFirstPacket());
      if (isVideo && packet) begin = Math.min(at, packet.timestamp);
      feeds.push({
        sink,
        packet,
        stream: this.streams.find(({ id }) => id === track.id)!,
        reached: -Infinity,
      });
    }
    return new ContainerReading(feeds, input, this.blocks);
  }

  get isLocked(): boolean {
    return this.locked.has("sinf") && (this.locked.has("encv") || this.locked.has("enca"));
  }

  /** mediabunny does not report encryption (ISO/IEC 23001-7): look for the boxes' names. */
  private lookForEncryption(bytes: Uint8Array): void {
    const text = new TextDecoder("latin1").decode(bytes);
    for (const name of ["sinf", "encv", "enca"]) if (text.includes(name)) this.locked.add(name);
  }

  private input(seen: (bytes: Uint8Array) => void = () => {}): Input {
    const read = async (start: number, end: number): Promise<Uint8Array<ArrayBuffer>> => {
      const bytes = await this.blocks.read(start, end);
      seen(bytes);
      return bytes;
    };
    return new Input({
      source: new CustomSource({
        getSize: () => this.blocks.size(),
        read,
        maxCacheSize: 1 << 20,
        handleUnhandledError: () => {},
      }),
      formats: [MP4, QTFF],
    });
  }
}

/** Describes a track of mediabunny. */
async function describe(track: InputVideoTrack | InputAudioTrack): Promise<Stream> {
  const name = await track.getCodec();
  const config = await track.getDecoderConfig().catch(() => null);
  const disposition = await track.getDisposition();
  const stream: Stream = {
    id: track.id,
    type: track.isVideoTrack() ? "video" : "audio",
    codec: CODECS[name ?? ""] ?? (name?.startsWith("pcm-") ? "pcm" : "other"),
    codecString: config?.codec ?? (await track.getCodecParameterString()) ?? name ?? "unknown",
    config: described(config?.description),
    width: 0,
    height: 0,
    sampleRate: 0,
    channels: 0,
    bitDepth: 0,
    language: await track.getLanguageCode().then((code) => (code === "und" ? undefined : code)),
    title: (await track.getName()) ?? undefined,
    isDefault: disposition.default,
    forced: disposition.forced,
    frameDuration: 0,
    encrypted: false,
    subtitle: undefined,
  };
  if (track.isVideoTrack()) {
    stream.width = await track.getCodedWidth();
    stream.height = await track.getCodedHeight();
    if (stream.codec === "av1") stream.config ??= av1Config(stream.codecString);
  } else {
    stream.sampleRate = await track.getSampleRate();
    stream.channels = await track.getNumberOfChannels();
    stream.frameDuration = frameDuration(stream.codec, stream.sampleRate);
    if (stream.codec === "aac") stream.config ??= aacConfig(stream.sampleRate, stream.channels);
    if (stream.codec === "mp3") stream.codecString = codecString("mp3", undefined, "");
    if (stream.codec === "ac3" || stream.codec === "eac3")
      stream.codecString = codecString(stream.codec, undefined, "");
  }
  return stream;
}

function described(description: AllowSharedBufferSource | undefined): Uint8Array | undefined {
  if (description === undefined) return undefined;
  return ArrayBuffer.isView(description)
    ? new Uint8Array(description.buffer, description.byteOffset, description.byteLength)
    : new Uint8Array(description);
}

/** Builds an av1C from "av01.P.LLT.BB", for 4:2:0. */
function av1Config(codec: string): Uint8Array {
  const [, profile = "0", level = "08M", bits = "08"] = codec.split(".");
  const deep = bits === "08" ? 0 : bits === "10" ? 0x40 : 0x60;
  return Uint8Array.of(
    0x81,
    (Number(profile) << 5) | Number.parseInt(level, 10),
    (level.endsWith("H") ? 0x80 : 0) | deep | 0x0c,
    0,
  );
}

interface Feed {
  sink: EncodedPacketSink;
  packet: EncodedPacket | null;
  stream: Stream;
  /** The latest time of this track's packets. Pictures that are shown earlier don't lower it. */
  reached: number;
}

class ContainerReading implements Reading {
  private cancelled = false;

  constructor(
    private readonly feeds: Feed[],
    private readonly input: Input,
    private readonly blocks: BlockReader,
  ) {}

  get ready(): boolean {
    return this.blocks.hot;
  }

  cancel(): void {
    this.cancelled = true;
    this.blocks.cancel();
    this.input.dispose();
  }

  async next(): Promise<Packet | undefined> {
    let feed: Feed | undefined;
    for (const other of this.feeds) {
      if (!other.packet) continue;
      other.reached = Math.max(other.reached, other.packet.timestamp);
      if (!feed || other.reached < feed.reached) feed = other;
    }
    const packet = feed?.packet;
    if (!feed || !packet || this.cancelled) return undefined;
    const { stream } = feed;
    feed.packet = await feed.sink.getNextPacket(packet);
    return {
      track: stream.id,
      pts: Math.round(packet.timestamp * 1e6),
      duration: packet.duration > 0 ? Math.round(packet.duration * 1e6) : undefined,
      key: packet.type === "key",
      data: packet.data,
      order: packet.sequenceNumber,
    };
  }
}
