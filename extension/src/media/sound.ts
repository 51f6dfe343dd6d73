// The sound's way from packets to its source buffer: copied or transcoded, and silence where the track has a hole.
//
// A source buffer without sound stops the picture, too, so a hole that the picture has passed is filled with packets of
// silence. They are Opus, which any other codec's buffer takes after `changeType`.

import type { Lane } from "./buffers";
import { mseType } from "./codecs";
import type { Packet, Stream } from "./film";
import { fragment, initSegment, type Sample } from "./fmp4";
import { opusHead, silence, SoundClock } from "./timeline";
import { PRE_SKIP, Transcoder } from "./transcode";

const FRAGMENT_US = 400_000;
const FIRST_FRAGMENTS_US = 100_000;
const FIRST_FRAGMENTS = 4;
/** The picture is this far ahead before a hole is taken for one, µs. */
const HOLE_US = 2_000_000;
/** So much of it is left open, for sound that comes late, µs. */
const LEFT_OPEN_US = 500_000;

export class SoundTrack {
  frontier = -Infinity;
  lastOrder = -1;
  private readonly clock = new SoundClock();
  private readonly target: Stream;
  private transcoder: Transcoder | undefined;
  private pending: Sample[] = [];
  private fragments = 0;
  private sequence = 0;
  /** What the buffer's init segment describes. */
  private described: string | undefined;

  constructor(
    readonly stream: Stream,
    readonly lane: Lane,
    private readonly transcoded: boolean,
    /** The type that the buffer has. */
    private type: string,
  ) {
    this.target = transcoded ? Transcoder.target(stream) : stream;
  }

  /** The type that a buffer for this track needs. */
  static type(stream: Stream, transcoded: boolean): string {
    return mseType("audio", transcoded ? "opus" : stream.codecString);
  }

  get bufferType(): string {
    return this.type;
  }

  /** Forgets everything; sound from `from` (µs) on is wanted. */
  async reset(from: number): Promise<void> {
    this.transcoder?.close();
    this.transcoder = undefined;
    this.clock.reset();
    this.pending = [];
    this.fragments = 0;
    this.frontier = from;
    this.lastOrder = -1;
    await this.lane.clear();
  }

  close(): void {
    this.transcoder?.close();
    this.transcoder = undefined;
  }

  async take(packet: Packet): Promise<void> {
    this.lastOrder = packet.order;
    // Decoders need a frame or two before the first one that is heard.
    if (packet.pts + this.stream.frameDuration * 3 + 50_000 < this.frontier) return;
    if (this.transcoded) {
      this.transcoder ??= await Transcoder.start(this.stream);
      await this.add(await this.transcoder.push(packet));
      return;
    }
    const { pts, duration } = this.clock.place(packet.pts, this.stream.frameDuration || packet.duration || 0);
    await this.add([{ dts: pts, pts, duration: duration || opusDuration(this.stream, packet.data) || 20_000, key: true, data: packet.data }]);
  }

  /** Fills a hole, when the picture has come to `reached` (µs) and no sound has. */
  async fill(reached: number): Promise<void> {
    if (reached - this.frontier <= HOLE_US) return;
    if (this.transcoder) await this.add(await this.transcoder.flush());
    await this.flush();
    const samples = silence(Math.max(0, this.frontier), reached - LEFT_OPEN_US);
    if (samples.length === 0) return;
    this.frontier = samples.at(-1)!.pts + samples.at(-1)!.duration;
    await this.describe({ ...this.stream, codec: "opus", codecString: "opus", channels: 2, sampleRate: 48_000, config: opusHead(2, PRE_SKIP) });
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
      // One fragment tells one beginning: what does not follow on begins another.
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
    await this.lane.append(fragment(++this.sequence, samples), { start: first.pts / 1e6, end: (last.pts + last.duration) / 1e6, key: first.pts / 1e6 });
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

/** µs of an Opus packet (RFC 6716, 3.1); 0 for other codecs. */
function opusDuration(stream: Stream, data: Uint8Array): number {
  const toc = data[0];
  if (stream.codec !== "opus" || toc === undefined) return 0;
  const config = toc >> 3;
  const frame = config < 12 ? [10, 20, 40, 60][config & 3]! : config < 16 ? [10, 20][config & 1]! : [2.5, 5, 10, 20][config & 3]!;
  const code = toc & 3;
  const frames = code === 0 ? 1 : code < 3 ? 2 : (data[1] ?? 1) & 63;
  return frame * frames * 1000;
}
