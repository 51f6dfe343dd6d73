// Key frames of a film for the bar's pictures: finds the one near a time, reading only what the
// daemon has at hand.
//
// It asks by `wait=0`, so nothing is fetched from anybody for it: where a byte is missing there is
// no picture. Films are those in Matroska, WebM, MP4 and MPEG-TS.

import { BlockReader } from "./blocks";
import { vp9String } from "./codecs";
import type { Demuxed, Packet, Reading, Stream } from "./film";
import { sniff } from "./inspect";
import { MatroskaFile } from "./matroska/file";
import { Cursor, type Fetch, RangeSource, Trouble } from "./reader";

/** Packets that are looked through for a key frame. */
const MOST_PACKETS = 64;

/** A picture that can be decoded by itself. */
export interface KeyFrame {
  stream: Stream;
  packet: Packet;
}

/** The key frames of one film. */
export class KeyFrames {
  private opened: Promise<Demuxed | undefined> | undefined;
  private reading: Reading | undefined;

  constructor(
    /** The film's address. */
    readonly url: string,
    private readonly fetcher?: Fetch,
  ) {}

  /** The key frame at or before a time (seconds); `undefined` when there is none, or its bytes are not here. One call at a time. */
  async near(atS: number): Promise<KeyFrame | undefined> {
    try {
      // What could not be opened for want of bytes may be there the next time.
      this.opened ??= this.open().catch((error: unknown) => {
        this.opened = undefined;
        throw error;
      });
      const demuxed = await this.opened;
      const stream = demuxed?.streams.find(({ type }) => type === "video");
      if (!demuxed || !stream || stream.encrypted) return undefined;
      this.reading = await demuxed.read(Math.round(atS * 1e6), stream.id, new Set([stream.id]));
      for (let count = 0; count < MOST_PACKETS; count += 1) {
        const packet = await this.reading.next();
        if (packet === undefined) return undefined;
        if (packet.key) return { stream, packet };
      }
      return undefined;
    } catch {
      // Bytes are missing, or it was cancelled.
      return undefined;
    } finally {
      this.cancel();
    }
  }

  /** Ends what is being read. */
  cancel(): void {
    this.reading?.cancel();
    this.reading = undefined;
  }

  private async open(): Promise<Demuxed | undefined> {
    const gone = () => Promise.reject(new Trouble("unreachable", "not now"));
    const source = new RangeSource(withoutWaiting(this.url), this.fetcher, gone);
    const cursor = new Cursor(source, 0);
    if (!(await cursor.need(12))) return undefined;
    const container = sniff(cursor.peek(Math.min(cursor.ready, 4096)));
    if (container === "matroska") return MatroskaFile.open(source, cursor);
    if (container === "mpegts") {
      const [{ readTransportHead }, { openTransport }] = await Promise.all([
        import("./transport/head"),
        import("./transport/file"),
      ]);
      const head = await readTransportHead(cursor);
      // Of a picture that is not read here no packet would ever come.
      if (head?.streams.find(({ stream }) => stream.type === "video")?.isRead)
        return openTransport(source, cursor, head);
      cursor.cancel();
      return undefined;
    }
    if (container !== "mp4") {
      cursor.cancel();
      return undefined;
    }
    const { openContainer } = await import("./containers");
    const demuxed = await openContainer(new BlockReader(source, cursor));
    return typeof demuxed === "string" ? undefined : demuxed;
  }
}

/** What a decoder is told of a key frame; `undefined` for a picture that is never decoded here. */
export function decoderConfig({ stream, packet }: KeyFrame): VideoDecoderConfig | undefined {
  const codecs = ["h264", "hevc", "vp8", "vp9", "av1"];
  if (!codecs.includes(stream.codec)) return undefined;
  const codec =
    stream.codec === "vp9"
      ? vp9String(packet.data, stream.width, stream.height)
      : stream.codecString;
  const needsConfig = stream.codec === "h264" || stream.codec === "hevc";
  return {
    codec,
    ...(needsConfig && stream.config && { description: stream.config }),
    ...(stream.width > 0 && { codedWidth: stream.width, codedHeight: stream.height }),
  };
}

function withoutWaiting(url: string): string {
  return `${url}${url.includes("?") ? "&" : "?"}wait=0`;
}
