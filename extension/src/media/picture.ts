// Turns video packets into fragments and appends them, with decoding times.

import type { Lane } from "./buffers";
import { mseType, vp9String } from "./codecs";
import type { Packet, Stream } from "./film";
import { fragment, initSegment, type Sample } from "./fmp4";
import { sequenceOf } from "./sps";
import { PictureClock } from "./timeline";

/** Length of a fragment in µs. The first ones after a seek are shorter. */
const FRAGMENT_US = 500_000;
const FIRST_FRAGMENTS_US = 120_000;
const FIRST_FRAGMENTS = 4;

/** The video track of a playback. */
export class Picture {
  /** End of the pictures that were appended or are queued, in µs. */
  frontier = -Infinity;
  /** Order of the last packet. */
  lastOrder = -1;
  /** Time of the first picture since the last reset, in µs. */
  first: number | undefined;
  private clock: PictureClock;
  private pending: Sample[] = [];
  private fragments = 0;
  private sequence = 0;
  private started = false;

  constructor(
    private stream: Stream,
    readonly lane: Lane,
  ) {
    this.clock = this.newClock();
  }

  /** Forgets everything and waits for a key frame. */
  async reset(): Promise<void> {
    this.clock = this.newClock();
    this.pending = [];
    this.fragments = 0;
    this.first = undefined;
    this.frontier = -Infinity;
    this.lastOrder = -1;
    await this.lane.clear();
  }

  /** Takes a packet. Returns false while it waits for a key frame. */
  async take(packet: Packet): Promise<boolean> {
    if (this.first === undefined) {
      if (!packet.key) return false;
      this.first = packet.pts;
      if (!this.started) await this.begin(packet);
    }
    this.lastOrder = packet.order;
    this.add(this.clock.push(packet));
    const [first] = this.pending;
    const last = this.pending.at(-1);
    const enough = this.fragments < FIRST_FRAGMENTS ? FIRST_FRAGMENTS_US : FRAGMENT_US;
    if (first && last && last.dts + last.duration - first.dts >= enough) await this.flush();
    return true;
  }

  /** Appends what is queued. */
  async flush(): Promise<void> {
    const samples = this.pending;
    if (samples.length === 0) return;
    this.pending = [];
    this.fragments += 1;
    const start = Math.min(...samples.map(({ pts }) => pts)) / 1e6;
    const end = Math.max(...samples.map(({ pts, duration }) => pts + duration)) / 1e6;
    const key = samples.find((sample) => sample.key);
    await this.lane.append(fragment(++this.sequence, samples), {
      start,
      end,
      key: key && key.pts / 1e6,
    });
  }

  async finish(): Promise<void> {
    this.add(this.clock.flush());
    await this.flush();
  }

  private add(samples: Sample[]): void {
    this.pending.push(...samples);
    for (const { pts, duration } of samples)
      this.frontier = Math.max(this.frontier, pts + duration);
  }

  private async begin(packet: Packet): Promise<void> {
    this.started = true;
    if (this.stream.codec === "vp9") {
      const codecString = vp9String(packet.data, this.stream.width, this.stream.height);
      if (codecString !== this.stream.codecString) {
        this.stream = { ...this.stream, codecString };
        await this.lane.changeType(mseType("video", codecString));
      }
    }
    await this.lane.append(initSegment(this.stream));
  }

  private newClock(): PictureClock {
    const { codec, config } = this.stream;
    // Each picture of look-ahead adds delay. Most films tell how many are needed.
    if (codec === "h264") return new PictureClock(sequenceOf(config)?.reordered);
    // VP9 and AV1 show pictures in decoding order.
    return new PictureClock(codec === "hevc" ? undefined : 0);
  }
}
