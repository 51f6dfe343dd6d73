// Sound of any codec into Opus: decoded, mixed down to two channels, encoded by WebCodecs.
//
// The encoder is fed one unbroken run of samples; the times of what comes out are counted from the
// run's beginning. A small gap in the input is filled with silence, a large one begins a new run.

import { decoderFor, type Pcm, type SoundDecoder } from "./decoders";
import type { Packet, Stream } from "./film";
import type { Sample } from "./fmp4";
import { mixDown, rolesOf } from "./mixdown";
import { opusHead } from "./timeline";

/** Samples that an Opus encoder looks ahead, and a decoder throws away: libopus's 6.5 ms. */
export const PRE_SKIP = 312;
/** Differences of the container's times up to this are rounding, µs. */
const JITTER_US = 25_000;
/** Gaps up to this are filled with zeros, µs. */
export const FILLED_US = 500_000;
const BITS_PER_SECOND = 160_000;

export class Transcoder {
  private out: Sample[] = [];
  private encoder: AudioEncoder | undefined;
  private channels = 0;
  private rate = 0;
  /** Where the run began, and how long what was put in and came out of it is, µs. */
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

  /** What an init segment for the result has to say. */
  static target(stream: Stream): Stream {
    // Of one channel or two, packets say so themselves; what is announced has to be the same in
    // both places that tell it.
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

  /** Decodes and encodes one frame; gives what is ready. */
  async push({ data, pts }: Pick<Packet, "data" | "pts">): Promise<Sample[]> {
    for (const pcm of await this.decoder.decode(data, pts)) await this.feed(pcm, data);
    if (this.failure) throw this.failure;
    return this.taken();
  }

  /** The rest. Another run may follow. */
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
    // A mono frame in a stereo stream becomes stereo, so that the encoder need not change.
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

  /** Begins a new run, with what was encoded so far given out. */
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
