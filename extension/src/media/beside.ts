// Reads the subtitles of a film that ffmpeg converts, from the film itself.
//
// Invariant: it reads no further than the conversion has, so it downloads nothing extra. The
// exception is the part just before the start, once the conversion is some seconds ahead.

import type { Cues } from "./cues";
import type { Demuxed, Reading } from "./film";

/** How far ahead the conversion must be before earlier subtitles are read, in µs. */
const SETTLED_US = 3_000_000;

/** Reads the subtitle blocks of a converted film. */
export class Beside {
  private run = 0;
  private readonly readings = new Set<Reading>();
  /** How far the conversion has come, in µs. */
  private frontier = -Infinity;
  private wake: () => void = () => {};
  private chain: Promise<void> = Promise.resolve();
  private readonly video: number | undefined;
  /** The track whose packets show how far the reading has come. */
  private readonly pace: number | undefined;

  constructor(
    private readonly demuxed: Demuxed,
    private readonly cues: Cues,
  ) {
    const first = (type: string): number | undefined =>
      demuxed.streams.find((stream) => stream.type === type)?.id;
    this.video = first("video");
    this.pace = first("audio") ?? this.video;
  }

  /** The conversion has started at a time in seconds. */
  began(at: number): void {
    this.frontier = -Infinity;
    this.select(at);
  }

  /** Other tracks were selected; reads them from a time in seconds. */
  select(at: number): void {
    const run = this.stop();
    if (this.cues.tracks.size === 0) return;
    this.chain = this.chain.then(() => this.read(run, at * 1e6).catch(() => {}));
  }

  /** The conversion has come this far, in seconds. `Infinity` at its end. */
  came(to: number): void {
    this.frontier = to * 1e6;
    this.wake();
  }

  close(): void {
    this.stop();
    this.demuxed.close();
  }

  private stop(): number {
    this.run += 1;
    for (const reading of this.readings) reading.cancel();
    this.readings.clear();
    this.demuxed.abandon?.();
    this.wake();
    return this.run;
  }

  /** A failure here costs only the subtitles. */
  private async read(run: number, from: number): Promise<void> {
    if (!(await this.room(run, from))) return;
    const wanted = new Set(this.cues.tracks);
    if (this.pace !== undefined) wanted.add(this.pace);
    const reading = await this.open(run, this.demuxed.read(from, this.video, wanted));
    let reached = from;
    let looked = false;
    for (;;) {
      if (!looked && this.frontier > from + SETTLED_US) {
        looked = true;
        void this.lookBack(run, from).catch(() => {});
      }
      if (!reading || !(await this.room(run, reached))) return;
      const packet = await reading.next();
      if (run !== this.run || !packet) break;
      reached = Math.max(reached, packet.pts);
      this.cues.take(packet);
    }
  }

  /** Sends blocks from before the place where reading began. */
  private async lookBack(run: number, from: number): Promise<void> {
    const reading = await this.open(run, this.demuxed.before(from, this.video, this.cues.tracks));
    for (
      let packet = await reading?.next();
      packet && run === this.run;
      packet = await reading?.next()
    )
      this.cues.take(packet);
  }

  private async open(
    run: number,
    opening: Promise<Reading | undefined>,
  ): Promise<Reading | undefined> {
    const reading = await opening;
    if (run === this.run && reading) this.readings.add(reading);
    else reading?.cancel();
    return run === this.run ? reading : undefined;
  }

  /** Waits until the conversion has passed a place. Returns false when this run is over. */
  private async room(run: number, reached: number): Promise<boolean> {
    while (run === this.run && this.frontier <= reached)
      await new Promise<void>((resolve) => (this.wake = resolve));
    return run === this.run;
  }
}
