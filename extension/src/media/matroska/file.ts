// A Matroska or WebM file: opens it, seeks with its Cues or by interpolation.
//
// The Cues are often at the file's end, which a torrent may not have yet, so they are read only
// when a seek needs them.

import { aacConfig, codecString, frameDuration, matroskaCodec } from "../codecs";
import type { Demuxed, Reading, Stream } from "../film";
import type { Chapter, Font } from "../protocol";
import { Cursor, readAll, type RangeSource, Trouble } from "../reader";
import { children, peekHeader, text, UNKNOWN } from "./ebml";
import {
  type CuePoint,
  ID,
  type Info,
  isFont,
  parseChapters,
  parseCues,
  parseInfo,
  parseSeekHead,
  parseTracks,
  type TrackEntry,
} from "./head";
import { findCluster, MatroskaReading } from "./reading";

/** Most bytes read into memory at a time: hostile files claim any size. */
const MOST_HEAD = 8 << 20;
const MOST_CUES = 32 << 20;
/** Most elements before the first cluster. */
const MOST_ELEMENTS = 4096;
const MOST_FONTS = 256;
/** How many bytes at the file's end are searched for the last cluster. */
const TAIL = 2 << 20;
/** A guess is good enough this close before the wanted time, in µs. */
const GUESS_US = 10_000_000;
const MOST_GUESSES = 12;
/** How far back subtitles are searched that last until a place, without an index, in µs. */
const BACK_US = 10_000_000;
const BACK_BYTES = 4 << 20;
/**
 * The same with an index, in bytes; and how long ago they may have ended, in µs, because the user
 * may delay them.
 */
const INDEXED_BACK_BYTES = 16 << 20;
const ENDED_US = 5_000_000;

/** An opened Matroska or WebM file. */
export class MatroskaFile implements Demuxed {
  container: "matroska" | "webm" = "matroska";
  duration: number | undefined;
  streams: Stream[] = [];
  chapters: Chapter[] = [];
  entries = new Map<number, TrackEntry>();
  private info: Info = { scale: 1_000_000, duration: undefined };
  private segment = 0;
  private segmentEnd = Infinity;
  private firstCluster = 0;
  private seeks = new Map<number, number>();
  private cues: CuePoint[] | undefined;
  private found: Font[] = [];
  private attachmentsRead = false;
  /** At the first cluster after opening. The first reading continues with it. */
  private cursor: Cursor | undefined;
  private readonly closing = new AbortController();

  private constructor(private readonly source: RangeSource) {}

  /** Opens a file with a cursor at its start. `undefined` if it has no EBML header. */
  static async open(source: RangeSource, cursor: Cursor): Promise<MatroskaFile | undefined> {
    const file = new MatroskaFile(source);
    file.cursor = cursor;
    const first = await peekHeader(cursor);
    if (
      first === undefined ||
      first === "invalid" ||
      first.id !== ID.EBML ||
      first.size === UNKNOWN ||
      first.size > 4096
    )
      return undefined;
    await cursor.skip(first.length);
    if (!(await cursor.need(first.size)))
      throw new Trouble("broken", "the file ends in its first element");
    for (const { id, data } of children(cursor.take(first.size)))
      if (id === ID.DocType && text(data) === "webm") file.container = "webm";
    await file.readHead(cursor);
    return file;
  }

  /** Converts ticks to µs. */
  us(ticks: number): number {
    return Math.round((ticks * this.info.scale) / 1000);
  }

  rest(): void {
    this.cursor?.rest();
  }

  close(): void {
    this.closing.abort();
    this.cursor?.cancel();
  }

  private async readHead(cursor: Cursor): Promise<void> {
    let tracks: TrackEntry[] | undefined;
    for (let count = 0; count < MOST_ELEMENTS; count += 1) {
      const head = await peekHeader(cursor);
      if (head === undefined) break;
      if (head === "invalid") throw new Trouble("broken", "invalid element header");
      const at = cursor.at;
      if (head.id === ID.Cluster) {
        this.firstCluster = at;
        if (tracks === undefined)
          tracks = await this.elsewhere(ID.Tracks).then((body) => body && parseTracks(body));
        if (tracks) this.describe(tracks);
        return;
      }
      await cursor.skip(head.length);
      if (head.id === ID.Segment) {
        this.segment = cursor.at;
        if (head.size !== UNKNOWN) this.segmentEnd = cursor.at + head.size;
        continue;
      }
      if (head.size === UNKNOWN)
        throw new Trouble("broken", "element of unknown size before the first cluster");
      if (head.id === ID.Attachments) {
        await this.readAttachments(cursor, cursor.at + head.size);
        continue;
      }
      const kept =
        head.id === ID.SeekHead ||
        head.id === ID.Info ||
        head.id === ID.Tracks ||
        head.id === ID.Cues ||
        head.id === ID.Chapters;
      if (!kept || head.size > (head.id === ID.Cues ? MOST_CUES : MOST_HEAD)) {
        await cursor.skip(head.size);
        continue;
      }
      if (!(await cursor.need(head.size))) break;
      const body = cursor.take(head.size);
      if (head.id === ID.SeekHead) parseSeekHead(body, this.seeks);
      else if (head.id === ID.Info) this.info = parseInfo(body);
      else if (head.id === ID.Tracks) tracks = parseTracks(body);
      else if (head.id === ID.Chapters) this.chapters = parseChapters(body);
      else this.cues = parseCues(body);
    }
    this.firstCluster = cursor.at;
    if (tracks) this.describe(tracks);
  }

  private describe(tracks: TrackEntry[]): void {
    if (this.info.duration !== undefined) this.duration = this.us(this.info.duration);
    for (const track of tracks) {
      if (track.type === "other" || !track.enabled) continue;
      this.entries.set(track.number, track);
      this.streams.push(describe(track));
    }
  }

  /** The body of an element named by the SeekHead. `undefined` if it is not there. */
  private async elsewhere(id: number): Promise<Uint8Array | undefined> {
    const position = this.seeks.get(id);
    if (position === undefined) return undefined;
    const at = this.segment + position;
    if (!Number.isSafeInteger(at) || (this.source.size !== undefined && at >= this.source.size))
      return undefined;
    const cursor = new Cursor(this.source, at);
    const stop = () => cursor.cancel();
    this.closing.signal.addEventListener("abort", stop);
    try {
      const head = await peekHeader(cursor);
      if (head === undefined || head === "invalid" || head.id !== id || head.size === UNKNOWN)
        return undefined;
      if (head.size > (id === ID.Cues ? MOST_CUES : MOST_HEAD)) return undefined;
      await cursor.skip(head.length);
      return (await cursor.need(head.size)) ? cursor.take(head.size) : undefined;
    } finally {
      this.closing.signal.removeEventListener("abort", stop);
      cursor.cancel();
    }
  }

  // Attachments: the files' bytes are skipped.

  private async readAttachments(cursor: Cursor, end: number): Promise<void> {
    this.attachmentsRead = true;
    for (let count = 0; cursor.at < end && count < MOST_ELEMENTS; count += 1) {
      const file = await peekHeader(cursor);
      if (
        file === undefined ||
        file === "invalid" ||
        file.size === UNKNOWN ||
        cursor.at + file.length + file.size > end
      )
        break;
      await cursor.skip(file.length);
      const fileEnd = cursor.at + file.size;
      const font: Font = { name: "", mime: "", at: 0, size: 0 };
      while (file.id === 0x61a7 && cursor.at < fileEnd) {
        const part = await peekHeader(cursor);
        if (
          part === undefined ||
          part === "invalid" ||
          part.size === UNKNOWN ||
          cursor.at + part.length + part.size > fileEnd
        )
          break;
        await cursor.skip(part.length);
        if (part.id === 0x465c) {
          font.at = cursor.at;
          font.size = part.size;
        } else if (
          (part.id === 0x466e || part.id === 0x4660) &&
          part.size <= 4096 &&
          (await cursor.need(part.size))
        ) {
          font[part.id === 0x466e ? "name" : "mime"] = text(cursor.peek(part.size));
        }
        await cursor.skip(part.size);
      }
      await cursor.skip(Math.max(0, fileEnd - cursor.at));
      if (font.size > 0 && isFont(font) && this.found.length < MOST_FONTS) this.found.push(font);
    }
    await cursor.skip(Math.max(0, end - cursor.at));
  }

  async fonts(): Promise<Font[]> {
    const position = this.seeks.get(ID.Attachments);
    if (!this.attachmentsRead && position !== undefined) {
      const cursor = new Cursor(this.source, this.segment + position);
      const head = await peekHeader(cursor);
      if (
        head !== undefined &&
        head !== "invalid" &&
        head.id === ID.Attachments &&
        head.size !== UNKNOWN
      ) {
        await cursor.skip(head.length);
        await this.readAttachments(cursor, cursor.at + head.size);
      }
      cursor.cancel();
    }
    return this.found;
  }

  /** The time of the last cluster, for recordings without a duration. */
  async measure(): Promise<number | undefined> {
    const end = Math.min(this.source.size ?? 0, this.segmentEnd);
    let last: number | undefined;
    for (let at = Math.max(this.firstCluster, end - TAIL); at < end; ) {
      const cluster = await findCluster(this.source, at, end, this.closing.signal);
      if (cluster === undefined) break;
      last = this.us(cluster.time);
      at = cluster.at + 4;
    }
    return last;
  }

  // Seeking.

  async read(
    pts: number,
    video: number | undefined,
    wanted: ReadonlySet<number>,
  ): Promise<Reading> {
    const opened = this.cursor;
    this.cursor = undefined;
    if (pts <= 0 && opened?.at === this.firstCluster)
      return new MatroskaReading(opened, this, wanted);
    opened?.cancel();
    const at = pts <= 0 ? this.firstCluster : await this.locate(pts, video);
    return new MatroskaReading(new Cursor(this.source, at), this, wanted);
  }

  async before(
    pts: number,
    video: number | undefined,
    wanted: ReadonlySet<number>,
  ): Promise<Reading | undefined> {
    const cues = await this.readCues();
    const here = this.cueAt(cues, pts, video);
    const start = here && this.segment + here.position;
    if (start === undefined || start <= this.firstCluster) return undefined;
    const at = this.lookBack(cues, here!, pts, wanted);
    return at === undefined
      ? undefined
      : new MatroskaReading(new Cursor(this.source, at, start), this, wanted);
  }

  /**
   * Where to begin for subtitles shown at `pts` that are before `here`. `undefined` if the index
   * knows of none.
   */
  private lookBack(
    cues: CuePoint[],
    here: CuePoint,
    pts: number,
    wanted: ReadonlySet<number>,
  ): number | undefined {
    const earlier = cues.filter((cue) => cue.position < here.position);
    const within = (bytes: number) =>
      earlier.filter((cue) => here.position - cue.position <= bytes);
    const named = (track: number) =>
      cues.some((cue) => cue.track === track && cue.duration !== undefined);
    let first: CuePoint | undefined;
    if ([...wanted].every(named)) {
      const until = (from: CuePoint[], end: number) =>
        from.filter(
          (cue) => wanted.has(cue.track) && this.us(cue.time + (cue.duration ?? 0)) > end,
        );
      const found = [
        ...until(within(INDEXED_BACK_BYTES), pts),
        ...until(within(BACK_BYTES), pts - ENDED_US),
      ];
      if (found.length === 0) return undefined;
      first = found.reduce((a, b) => (b.position < a.position ? b : a));
    } else {
      first =
        within(BACK_BYTES).find((cue) => this.us(here.time - cue.time) <= BACK_US) ??
        earlier.at(-1);
    }
    return first ? this.segment + first.position : this.firstCluster;
  }

  private async locate(pts: number, video: number | undefined): Promise<number> {
    const cue = this.cueAt(await this.readCues(), pts, video);
    const at = cue && this.segment + cue.position;
    if (at !== undefined && (this.source.size === undefined || at < this.source.size))
      return Math.max(at, this.firstCluster);
    return this.guess(pts);
  }

  private cueAt(cues: CuePoint[], pts: number, video: number | undefined): CuePoint | undefined {
    const of = cues.some((cue) => cue.track === video)
      ? cues.filter((cue) => cue.track === video)
      : cues;
    return of.findLast((cue) => this.us(cue.time) <= pts) ?? of[0];
  }

  private async readCues(): Promise<CuePoint[]> {
    if (this.cues === undefined) {
      const body = await this.elsewhere(ID.Cues);
      this.cues = body
        ? parseCues(body).filter((cue) => Number.isSafeInteger(this.segment + cue.position))
        : [];
    }
    return this.cues;
  }

  /**
   * Finds a cluster shortly before `pts` without an index, by interpolation between known places.
   */
  private async guess(pts: number): Promise<number> {
    let low = { at: this.firstCluster, pts: 0 };
    const end = Math.min(this.source.size ?? 0, this.segmentEnd);
    if (end <= low.at) return low.at;
    let high = { at: end, pts: Math.max(this.duration ?? 0, pts + 1) };
    for (
      let count = 0;
      count < MOST_GUESSES && pts - low.pts > GUESS_US && high.at - low.at > 512 << 10;
      count += 1
    ) {
      const target = Math.max(low.pts, pts - GUESS_US / 2);
      // Where interpolation gets no closer, bisection does.
      const share =
        count % 3 === 2
          ? 0.5
          : Math.min(0.95, Math.max(0.02, (target - low.pts) / (high.pts - low.pts)));
      const at = low.at + Math.floor((high.at - low.at) * share);
      const cluster = await findCluster(this.source, at, high.at, this.closing.signal);
      if (cluster === undefined) high = { at, pts: high.pts };
      else if (this.us(cluster.time) <= pts) low = { at: cluster.at, pts: this.us(cluster.time) };
      else high = { at, pts: this.us(cluster.time) };
    }
    return low.at;
  }

  /** The first bytes at a place, for fonts. */
  async bytes(at: number, size: number): Promise<Uint8Array<ArrayBuffer>> {
    return readAll(this.source, at, size, this.closing.signal);
  }
}

function describe(track: TrackEntry): Stream {
  const codec = matroskaCodec(track.codecId);
  const rate = track.sampleRate;
  let config = track.codecPrivate;
  if (codec === "aac" && (config === undefined || config.length < 2))
    config = aacConfig(rate, track.channels);
  const format = codec === "srt" || codec === "ass" || codec === "pgs" ? codec : "other";
  return {
    id: track.number,
    type: track.type as Stream["type"],
    codec: track.strange || (track.deflated && track.type !== "subtitle") ? "other" : codec,
    codecString: codecString(codec, config, track.codecId, track.bits),
    config,
    width: track.width,
    height: track.height,
    sampleRate: rate,
    channels: track.channels,
    bitDepth: track.bitDepth,
    language: track.language,
    title: track.title,
    isDefault: track.isDefault,
    forced: track.forced,
    frameDuration:
      frameDuration(codec, rate) || (track.type === "audio" ? track.defaultDuration / 1000 : 0),
    encrypted: track.encrypted,
    subtitle: track.type === "subtitle" ? format : undefined,
  };
}
