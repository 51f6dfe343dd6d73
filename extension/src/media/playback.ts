// Plays an opened film into a MediaSource: reads ahead, seeks, changes tracks.
//
// One run reads the file from one place. A seek or another track ends the run and its requests and
// starts the next. Packets that are still buffered are recognized by their order and not appended
// again.

import { Lane, type MediaBuffer } from "./buffers";
import { mseType } from "./codecs";
import { Cues } from "./cues";
import type { Demuxed, Packet, Reading, Stream } from "./film";
import { Picture } from "./picture";
import type { Cue } from "./protocol";
import { Trouble } from "./reader";
import { SoundTrack } from "./sound";

/** How much is read ahead of the element and kept behind it, in seconds. */
const AHEAD_S = 40;
const BEHIND_S = 20;
/** Most bytes in both buffers. */
const MOST_BYTES = 120 << 20;
/** A time counts as buffered if at least this much follows, in seconds. */
const ENOUGH_S = 0.1;
/** How much must be buffered before earlier subtitles are read, in seconds. */
const SETTLED_S = 3;

/** A picture this much after the wanted time is in time, in µs. */
const LATE_US = 50_000;
/** How far before the wanted time the next search for a key frame begins, in µs. It doubles. */
const FIRST_BACK_US = 10_000_000;

/** The part of a MediaSource that is used. */
export interface Source {
  readonly readyState: string;
  duration: number;
  addSourceBuffer(type: string): MediaBuffer;
  endOfStream(): void;
}

/** What a playback reports to its owner. */
export interface Listener {
  cues(cues: Cue[]): void;
  begins(at: number): void;
  duration(seconds: number): void;
  audio(track: number): void;
  trouble(error: unknown): void;
}

/** Plays one film into one MediaSource. */
export class Playback {
  /** The most bytes buffered at one time. */
  peak = 0;
  private picture: Picture | undefined;
  private sound: SoundTrack | undefined;
  private position = 0;
  private run = 0;
  private readonly readings = new Set<Reading>();
  private wake: () => void = () => {};
  private readonly cues: Cues;
  private ended = false;
  private measured = false;
  /** Runs follow one after the other. */
  private chain: Promise<void> = Promise.resolve();
  /** What the next run has to empty before it reads. */
  private emptied = { picture: false, sound: false };

  constructor(
    private readonly demuxed: Demuxed,
    private readonly source: Source,
    private readonly transcodes: (stream: Stream) => boolean,
    private readonly listener: Listener,
  ) {
    this.cues = new Cues((cues) => listener.cues(cues));
  }

  get appended(): number {
    return (this.picture?.lane.appended ?? 0) + (this.sound?.lane.appended ?? 0);
  }

  /** Creates the source buffers and starts at `at` seconds. The source must be open. */
  start(video: Stream | undefined, audio: Stream | undefined, at: number): void {
    this.position = at;
    if (this.demuxed.duration !== undefined) this.source.duration = this.demuxed.duration / 1e6;
    const lane = (type: string) =>
      new Lane(this.source.addSourceBuffer(type), () => this.position, BEHIND_S);
    if (video) this.picture = new Picture(video, lane(mseType("video", video.codecString)));
    if (audio) {
      const type = SoundTrack.type(audio, this.transcodes(audio));
      this.sound = new SoundTrack(audio, lane(type), this.transcodes(audio), type);
      this.listener.audio(audio.id);
    }
    this.restart("all");
  }

  /** The element is at `at` seconds now. */
  moved(at: number): void {
    this.position = at;
    this.wake();
  }

  seek(at: number): void {
    this.position = at;
    const covered = (lane: Lane): boolean => lane.coveredTo(at) > at + ENOUGH_S;
    // At a film's end, one track may be longer than the other.
    if (this.ended ? this.lanes().some(covered) : this.lanes().every(covered)) this.wake();
    else this.restart("all");
  }

  selectAudio(stream: Stream): void {
    if (!this.sound || this.sound.stream.id === stream.id) return;
    const { lane, bufferType } = this.sound;
    this.sound.close();
    this.sound = new SoundTrack(stream, lane, this.transcodes(stream), bufferType);
    this.listener.audio(stream.id);
    this.restart("sound");
  }

  /** Selects the subtitle tracks to send. Blocks near the element are read again for new tracks. */
  selectSubtitles(tracks: ReadonlySet<number>): void {
    if (this.cues.select(tracks) && this.lanes().length > 0) this.restart("subtitles");
  }

  close(): void {
    this.stop();
    this.sound?.close();
  }

  private lanes(): Lane[] {
    return [this.picture?.lane, this.sound?.lane].filter((lane) => lane !== undefined);
  }

  private stop(): number {
    this.run += 1;
    for (const reading of this.readings) reading.cancel();
    this.readings.clear();
    this.demuxed.abandon?.();
    this.wake();
    return this.run;
  }

  /** Reads again from the element's time, and empties what `what` names first. */
  private restart(what: "all" | "sound" | "subtitles"): void {
    const run = this.stop();
    this.ended = false;
    if (what === "all") this.emptied.picture = true;
    if (what !== "subtitles") this.emptied.sound = true;
    // An append that waits for space must not block the removal that makes space.
    if (this.emptied.picture) this.picture?.lane.discard();
    if (this.emptied.sound) this.sound?.lane.discard();
    this.chain = this.chain.then(async () => {
      if (run !== this.run) return;
      try {
        const from = this.position * 1e6;
        if (this.emptied.picture) await this.picture?.reset();
        if (this.emptied.sound) await this.sound?.reset(from);
        this.emptied = { picture: false, sound: false };
        await this.read(run, from);
      } catch (error) {
        if (run === this.run) this.listener.trouble(error);
      }
    });
  }

  private async open(run: number, from: number): Promise<Reading | undefined> {
    const reading = await this.demuxed.read(from, this.videoId, this.wanted());
    if (run !== this.run) {
      reading.cancel();
      return undefined;
    }
    this.readings.add(reading);
    return reading;
  }

  private get videoId(): number | undefined {
    return this.pictureStream?.id;
  }

  private get pictureStream(): Stream | undefined {
    return this.picture && this.demuxed.streams.find(({ type }) => type === "video");
  }

  private wanted(): Set<number> {
    const tracks = new Set(this.cues.tracks);
    if (this.videoId !== undefined) tracks.add(this.videoId);
    if (this.sound) tracks.add(this.sound.stream.id);
    return tracks;
  }

  private async read(run: number, from: number): Promise<void> {
    let reading = await this.open(run, from);
    let back = FIRST_BACK_US;
    let earliest = from <= 0;
    let looked = this.cues.tracks.size === 0;
    // A run for subtitles reads again what is buffered already.
    let reached = from;
    for (;;) {
      if (!reading || !(await this.room(run, reached))) return;
      if (!reading.ready) await this.flush();
      const packet = await reading.next();
      if (run !== this.run) return;
      if (!packet) break;
      if (!earliest && this.beginsLate(packet, from)) {
        // The place was guessed without an index, and no key frame is before the wanted time.
        reading.cancel();
        this.readings.delete(reading);
        earliest = from - back <= 0;
        reading = await this.open(run, Math.max(0, from - back));
        back *= 2;
        continue;
      }
      reached = Math.max(reached, packet.pts);
      await this.take(packet, from);
      if (run !== this.run) return;
      if (this.frontier() <= from + SETTLED_S * 1e6) continue;
      if (!looked) void this.lookBack(run, from).catch(() => {});
      looked = true;
      if (!this.measured) void this.measure().catch(() => {});
      this.measured = true;
    }
    await this.picture?.finish();
    await this.sound?.finish();
    if (!looked) await this.lookBack(run, from);
    await Promise.all(this.lanes().map((lane) => lane.idle()));
    if (run !== this.run) return;
    this.ended = true;
    if (this.source.readyState !== "open") return;
    this.source.endOfStream();
    this.listener.duration(this.source.duration);
  }

  /** Whether a packet is a run's first key frame and is after the wanted time. */
  private beginsLate({ track, key, pts }: Packet, from: number): boolean {
    return (
      track === this.videoId && key && this.picture?.first === undefined && pts > from + LATE_US
    );
  }

  private async take(packet: Packet, from: number): Promise<void> {
    const { picture, sound } = this;
    if (packet.track === this.videoId && picture) {
      if (packet.order <= picture.lastOrder) return;
      const late = this.beginsLate(packet, from);
      await picture.take(packet);
      if (late) this.listener.begins(packet.pts / 1e6);
      if (sound && picture.frontier > 0) await sound.fill(picture.frontier);
    } else if (packet.track === sound?.stream.id) {
      if (packet.order > sound.lastOrder) await sound.take(packet);
    } else {
      this.cues.take(packet);
    }
    this.peak = Math.max(this.peak, this.bytes());
  }

  /** Sends subtitle blocks from before the place where reading began. */
  private async lookBack(run: number, from: number): Promise<void> {
    const reading = await this.demuxed.before(from, this.videoId, this.cues.tracks);
    if (!reading) return;
    if (run !== this.run) return reading.cancel();
    this.readings.add(reading);
    for (
      let packet = await reading.next();
      packet && run === this.run;
      packet = await reading.next()
    ) {
      this.cues.take(packet);
    }
    reading.cancel();
    this.readings.delete(reading);
  }

  /** Sets the duration of a film whose head does not tell it. */
  private async measure(): Promise<void> {
    if (this.demuxed.duration !== undefined) return;
    const duration = await this.demuxed.measure?.();
    if (duration === undefined || this.ended) return;
    // The duration can be set only while no buffer is updating.
    const seconds = Math.max(duration / 1e6, this.frontier() / 1e6);
    const set = (lanes: Lane[]): Promise<void> =>
      lanes[0]
        ? lanes[0].exclusive(() => set(lanes.slice(1)))
        : Promise.resolve(this.setDuration(seconds));
    await set(this.lanes());
  }

  private setDuration(seconds: number): void {
    if (this.source.readyState !== "open") return;
    this.source.duration = seconds;
    this.listener.duration(seconds);
  }

  private async flush(): Promise<void> {
    await this.picture?.flush();
    await this.sound?.flush();
  }

  private bytes(): number {
    return this.lanes().reduce((sum, lane) => sum + lane.bytes, 0);
  }

  /** How far picture and sound have been read, in µs. */
  private frontier(): number {
    return Math.min(this.picture?.frontier ?? Infinity, this.sound?.frontier ?? Infinity);
  }

  /**
   * Waits until more is needed than this run has read (`reached`, µs). Returns false when the run
   * is over.
   */
  private async room(run: number, reached: number): Promise<boolean> {
    while (run === this.run) {
      const ahead = Math.min(this.frontier(), reached);
      const enough = ahead >= (this.position + AHEAD_S) * 1e6;
      // One track that fills a buffer must not starve the other.
      const full = this.bytes() >= MOST_BYTES && ahead > (this.position + SETTLED_S) * 1e6;
      if (!enough && !full) return true;
      await this.flush();
      await Promise.all(this.lanes().map((lane) => lane.evict()));
      if (full && this.bytes() < MOST_BYTES) continue;
      if (run === this.run) await new Promise<void>((resolve) => (this.wake = resolve));
    }
    return false;
  }
}

/** The trouble to report for an error. */
export function troubleOf(error: unknown): { trouble: Trouble["kind"]; detail: string } {
  if (error instanceof Trouble) return { trouble: error.kind, detail: error.message };
  const detail = error instanceof Error ? error.message : String(error);
  return { trouble: "unplayable", detail };
}
