// Transcodes sound to Opus: decodes, mixes down to stereo, encodes with WebCodecs.
//
// The encoder gets one continuous run of samples, and output times count from the run's start. A
// small gap is filled with silence, a large one starts a new run.

import { decoderFor, type Pcm, type SoundDecoder } from "./decoders";
import type { Packet, Stream } from "./film";
import type { Sample } from "./fmp4";
import { mixDown, rolesOf } from "./mixdown";
import { opusHead } from "./timeline";

/** Samples that an Opus encoder looks ahead and a decoder discards: libopus's 6.5 ms. */
export const PRE_SKIP = 312;
/** Time differences up to this size are rounding, in µs. */
const JITTER_US = 25_000;
/** Gaps up to this size are filled with zeros, in µs. */
export const FILLED_US = 500_000;
const BITS_PER_SECOND = 160_000;

/** Transcodes one sound track. */
export class Transcoder {
  private out: Sample[] = [];
  private encoder: AudioEncoder | undefined;
  private channels = 0;
  private rate = 0;
  /** The run's start, and the lengths of its input and output, in µs. */
  private start = 0;
  private fed = 0;
  private given = 0;
  private failure: Error | undefined;

  private constructor(
    private readonly stream: Stream,
    private readonly decoder: SoundDecoder,
  ) {}

  static async start(stream: Stream): Promise<Transcoder> {
    return new Transcoder(stream, await decoderFor(stream));
  }

  /** The stream description of the result, for its init segment. */
  static target(stream: Stream): Stream {
    // Opus packets tell mono from stereo themselves, but both announcements must agree.
    return {
      ...stream,
      codec: "opus",
      codecString: "opus",
      sampleRate: 48_000,
      channels: 2,
      config: opusHead(2, PRE_SKIP),
      frameDuration: 20_000,
    };
  }

  /** Decodes and encodes one frame. Returns what is ready. */
  async push({ data, pts }: Pick<Packet, "data" | "pts">): Promise<Sample[]> {
    for (const pcm of await this.decoder.decode(data, pts)) await this.feed(pcm, data);
    if (this.failure) throw this.failure;
    return this.taken();
  }

  /** The remaining output. Another run may follow. */
  async flush(): Promise<Sample[]> {
    for (const pcm of await this.decoder.flush()) await this.feed(pcm, new Uint8Array(0));
    await this.endRun();
    return this.taken();
  }

  close(): void {
    this.decoder.close();
    if (this.encoder && this.encoder.state !== "closed") this.encoder.close();
  }

  private async feed({ planes, sampleRate, pts }: Pcm, frame: Uint8Array): Promise<void> {
    const mixed = mixDown(planes, rolesOf(this.stream.codec, frame, planes.length));
    const [first] = mixed;
    if (!first || first.length === 0 || !(sampleRate > 0)) return;
    // A mono frame in a stereo stream becomes stereo, so that the encoder can stay.
    if (mixed.length === 1) mixed.push(first);
    if (this.encoder === undefined || mixed.length !== this.channels || sampleRate !== this.rate)
      await this.begin(mixed.length, sampleRate, pts);
    const gap = pts - (this.start + this.fed);
    if (Math.abs(gap) > JITTER_US) {
      if (gap > 0 && gap <= FILLED_US)
        this.encode(mixed.map(() => new Float32Array(Math.round((gap / 1e6) * sampleRate))));
      else await this.begin(mixed.length, sampleRate, pts);
    }
    this.encode(mixed);
    const encoder = this.encoder!;
    if (encoder.encodeQueueSize > 24)
      await new Promise((resolve) => encoder.addEventListener("dequeue", resolve, { once: true }));
  }

  private encode(planes: Float32Array[]): void {
    const frames = planes[0]!.length;
    if (frames === 0) return;
    const data = new Float32Array(frames * planes.length);
    for (const [index, plane] of planes.entries()) data.set(plane, index * frames);
    const audio = new AudioData({
      format: "f32-planar",
      sampleRate: this.rate,
      numberOfFrames: frames,
      numberOfChannels: planes.length,
      timestamp: this.start + this.fed,
      data,
    });
    this.encoder!.encode(audio);
    audio.close();
    this.fed += (frames / this.rate) * 1e6;
  }

  /** Starts a new run, and outputs what was encoded so far. */
  private async begin(channels: number, sampleRate: number, pts: number): Promise<void> {
    await this.endRun();
    this.channels = channels;
    this.rate = sampleRate;
    this.start = pts;
    this.fed = this.given = 0;
    if (this.encoder && this.encoder.state !== "closed") this.encoder.close();
    this.encoder = new AudioEncoder({
      output: (chunk) => {
        const data = new Uint8Array(chunk.byteLength);
        chunk.copyTo(data);
        const at = this.start + this.given;
        const duration = chunk.duration || 20_000;
        this.given += duration;
        this.out.push({ dts: at, pts: at, duration, key: true, data });
      },
      error: (error) => {
        this.failure = error;
      },
    });
    this.encoder.configure({
      codec: "opus",
      sampleRate,
      numberOfChannels: channels,
      bitrate: BITS_PER_SECOND,
    });
  }

  private async endRun(): Promise<void> {
    if (this.encoder?.state === "configured" && this.fed > 0) await this.encoder.flush();
    this.fed = this.given = 0;
    this.start = -Infinity;
  }

  private taken(): Sample[] {
    const out = this.out;
    this.out = [];
    return out;
  }
}
