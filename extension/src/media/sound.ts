// Turns sound packets into fragments and appends them: copied, transcoded, or silence.
//
// The browser stops the picture at a hole in the sound. So a hole that the picture has passed is
// filled with silence. The silence is Opus: after `changeType`, a buffer of any codec accepts it.

import type { Lane } from "./buffers";
import { mseType } from "./codecs";
import type { Packet, Stream } from "./film";
import { fragment, initSegment, type Sample } from "./fmp4";
import { Trouble } from "./reader";
import { opusHead, silence, SILENCE_US, SoundClock } from "./timeline";
import { FILLED_US, PRE_SKIP, Transcoder } from "./transcode";

const FRAGMENT_US = 400_000;
const FIRST_FRAGMENTS_US = 100_000;
const FIRST_FRAGMENTS = 4;
/** Longest sound frame in µs. */
const LONGEST_US = 500_000;
/** A wider gap between frames is filled, in µs: the buffer would count as empty there. */
const GAP_US = 100_000;
/** How far ahead the picture must be before a gap counts as a hole, in µs. */
const HOLE_US = 2_000_000;
/** How much of a hole is left open for late sound, in µs. */
const LEFT_OPEN_US = 500_000;

/** The sound track of a playback. */
export class SoundTrack {
  frontier = -Infinity;
  lastOrder = -1;
  /** End of the last frame taken, in µs. The transcoder may hold some back. */
  private reached = -Infinity;
  private readonly clock = new SoundClock();
  private readonly target: Stream;
  private transcoder: Transcoder | undefined;
  /** A frame whose duration is known only when the next one comes. */
  private held: Packet | undefined;
  private pending: Sample[] = [];
  private fragments = 0;
  private sequence = 0;
  /** What the buffer's init segment describes. */
  private described: string | undefined;

  constructor(
    readonly stream: Stream,
    readonly lane: Lane,
    private readonly transcoded: boolean,
    /** The buffer's type. */
    private type: string,
  ) {
    this.target = transcoded ? Transcoder.target(stream) : stream;
  }

  /** The buffer type for this track. */
  static type(stream: Stream, transcoded: boolean): string {
    return mseType("audio", transcoded ? "opus" : stream.codecString);
  }

  get bufferType(): string {
    return this.type;
  }

  /** Forgets everything. Sound from `from` (µs) on is wanted. */
  async reset(from: number): Promise<void> {
    this.transcoder?.close();
    this.transcoder = undefined;
    this.clock.reset();
    this.held = undefined;
    this.pending = [];
    this.fragments = 0;
    this.frontier = this.reached = from;
    this.lastOrder = -1;
    await this.lane.clear();
  }

  close(): void {
    this.transcoder?.close();
    this.transcoder = undefined;
  }

  async take(packet: Packet): Promise<void> {
    this.lastOrder = packet.order;
    // Decoders need a frame or two before the first audible one.
    if (packet.pts + this.stream.frameDuration * 3 + 50_000 < this.frontier) return;
    const begins = packet.pts;
    if (begins - this.reached > (this.transcoded ? GAP_US + FILLED_US : GAP_US)) {
      await this.release(undefined);
      await this.silence(begins);
    }
    this.reached = Math.max(this.reached, begins + this.stream.frameDuration);
    if (this.transcoded) {
      await this.add(await this.transcode(packet));
      return;
    }
    const duration =
      this.stream.frameDuration || packet.duration || opusDuration(this.stream, packet.data);
    await this.release(packet.pts);
    // Without a known duration, the next frame tells it.
    if (duration === 0) this.held = packet;
    else await this.copy(packet, duration);
  }

  private async transcode(packet: Packet): Promise<Sample[]> {
    try {
      this.transcoder ??= await Transcoder.start(this.stream);
      return await this.transcoder.push(packet);
    } catch (error) {
      throw new Trouble("sound", error instanceof Error ? error.message : String(error));
    }
  }

  /** Adds the held frame, which ends where the next one begins. */
  private async release(next: number | undefined): Promise<void> {
    const { held } = this;
    if (!held) return;
    this.held = undefined;
    const lasted = next === undefined ? 0 : next - held.pts;
    await this.copy(held, lasted > 0 && lasted < LONGEST_US ? lasted : SILENCE_US);
  }

  private async copy(packet: Packet, lasts: number): Promise<void> {
    const { pts, duration } = this.clock.place(packet.pts, lasts);
    await this.add([{ dts: pts, pts, duration, key: true, data: packet.data }]);
  }

  /** Fills a hole if the picture has come to `reached` (µs) and the sound has not. */
  async fill(reached: number): Promise<void> {
    if (reached - Math.max(this.frontier, this.reached) > HOLE_US)
      await this.silence(reached - LEFT_OPEN_US);
  }

  /** Appends silence from the end of the sound to `to` (µs). */
  private async silence(to: number): Promise<void> {
    if (this.transcoder) await this.add(await this.transcoder.flush());
    await this.flush();
    const samples = silence(Math.max(0, this.frontier), to);
    if (samples.length === 0) return;
    this.frontier = this.reached = to;
    this.clock.reset();
    await this.describe({
      ...this.stream,
      codec: "opus",
      codecString: "opus",
      channels: 2,
      sampleRate: 48_000,
      config: opusHead(2, PRE_SKIP),
    });
    await this.append(samples);
  }

  async flush(): Promise<void> {
    const samples = this.pending;
    if (samples.length === 0) return;
    this.pending = [];
    this.fragments += 1;
    await this.describe(this.target);
    await this.append(samples);
  }

  async finish(): Promise<void> {
    await this.release(undefined);
    if (this.transcoder) await this.add(await this.transcoder.flush());
    await this.flush();
  }

  private async add(samples: Sample[]): Promise<void> {
    for (const sample of samples) {
      const end = sample.pts + sample.duration;
      if (end <= 0) continue;
      if (sample.pts < 0) sample.pts = sample.dts = 0;
      sample.duration = end - sample.pts;
      const before = this.pending.at(-1);
      // A fragment has only one start time, so a jump in time starts a new one.
      if (before && Math.abs(sample.pts - before.pts - before.duration) > 1_000) await this.flush();
      this.pending.push(sample);
      this.frontier = Math.max(this.frontier, end);
    }
    const [first] = this.pending;
    const enough = this.fragments < FIRST_FRAGMENTS ? FIRST_FRAGMENTS_US : FRAGMENT_US;
    if (first && this.pending.at(-1)!.pts - first.pts >= enough) await this.flush();
  }

  private async append(samples: Sample[]): Promise<void> {
    const first = samples[0]!;
    const last = samples.at(-1)!;
    await this.lane.append(fragment(++this.sequence, samples), {
      start: first.pts / 1e6,
      end: (last.pts + last.duration) / 1e6,
      key: first.pts / 1e6,
    });
  }

  private async describe(stream: Stream): Promise<void> {
    const type = mseType("audio", stream.codecString);
    const description = `${type} ${stream.channels}`;
    if (this.described === description) return;
    if (type !== this.type) await this.lane.changeType(type);
    this.type = type;
    this.described = description;
    await this.lane.append(initSegment(stream));
  }
}

/** Duration of an Opus packet in µs (RFC 6716, 3.1). 0 for other codecs. */
function opusDuration(stream: Stream, data: Uint8Array): number {
  const toc = data[0];
  if (stream.codec !== "opus" || toc === undefined) return 0;
  const config = toc >> 3;
  const frame =
    config < 12
      ? [10, 20, 40, 60][config & 3]!
      : config < 16
        ? [10, 20][config & 1]!
        : [2.5, 5, 10, 20][config & 3]!;
  const code = toc & 3;
  const frames = code === 0 ? 1 : code < 3 ? 2 : (data[1] ?? 1) & 63;
  return frame * frames * 1000;
}
