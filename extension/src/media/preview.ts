// Finds key frames for preview pictures, using only bytes on disk.
//
// Requests have `wait=0`, so nothing is downloaded: if a byte is missing, there is no picture.
// Supports Matroska, WebM, MP4 and MPEG-TS.

import { BlockReader } from "./blocks";
import { vp9String } from "./codecs";
import type { Demuxed, Packet, Reading, Stream } from "./film";
import { sniff } from "./inspect";
import { MatroskaFile } from "./matroska/file";
import { Cursor, type Fetch, RangeSource, Trouble } from "./reader";

/** Most packets that are searched for a key frame. */
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

  /**
   * The key frame at or before a time in seconds. `undefined` if there is none or its bytes are
   * missing. One call at a time.
   */
  async near(atS: number): Promise<KeyFrame | undefined> {
    try {
      // A file that could not be opened may have more bytes the next time.
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
      // Bytes are missing, or the call was cancelled.
      return undefined;
    } finally {
      this.cancel();
    }
  }

  /** Cancels the current call. */
  cancel(): void {
    this.reading?.cancel();
    this.reading = undefined;
  }

  private async open(): Promise<Demuxed | undefined> {
    const gone = () => Promise.reject(new Trouble("unreachable", "not on disk"));
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
      // A video track that can't be read here never gives packets.
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

/**
 * The decoder's configuration for a key frame. `undefined` for a codec that is never decoded here.
 */
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
