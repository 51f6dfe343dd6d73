// Parses a transport stream's program tables, and finds which streams are present.
//
// A declared stream that does not appear soon counts as absent, so that nothing waits for it.

import type { Codec, Stream } from "../film";
import { Bytes, track } from "../foreign/head";
import { mpegAudio } from "../foreign/sound";
import type { Named } from "../names";
import type { Cursor } from "../reader";
import { type Layout, layoutOf, type Packet, packets, since, timeOf } from "./packets";

/** How many bytes are read for the tables, and for the first bytes of each stream. */
const MOST_TABLES = 4 << 20;
const MOST_STREAMS = 2 << 20;
const STEP = 16 << 10;
const MOST_STEP = 512 << 10;
const MOST_TRACKS = 32;

/** An elementary stream of a program. */
export interface Elementary {
  pid: number;
  /** Its type in the tables (ISO/IEC 13818-1, table 2-34). */
  type: number;
  stream: Stream;
  /** Whether its frames can be read here. */
  isRead: boolean;
}

/** What the head of a transport stream says. */
export interface TransportHead {
  layout: Layout;
  /** The first time in the file, in seconds. */
  origin: number;
  /** The streams that are present. */
  streams: Elementary[];
}

/**
 * Reads the head with a cursor at the file's start, which does not move. `undefined` if there is no
 * program.
 */
export async function readTransportHead(cursor: Cursor): Promise<TransportHead | undefined> {
  for (let count = STEP; ; count += Math.min(count, MOST_STEP)) {
    const isAll = !(await cursor.need(count));
    const bytes = cursor.peek(cursor.ready);
    const layout = layoutOf(bytes);
    if (!layout) return undefined;
    const head = headOf(bytes, layout, isAll || count >= MOST_STREAMS);
    if (head !== "more") return head;
    if (isAll || count >= MOST_TABLES) return undefined;
  }
}

/**
 * Parses the head from a file's first bytes. `enough`: streams that have not appeared count as
 * absent.
 */
function headOf(
  bytes: Uint8Array,
  layout: Layout,
  enough: boolean,
): TransportHead | "more" | undefined {
  const program = tables(bytes, layout);
  if (!program) return enough ? undefined : "more";
  const first = new Map<number, Uint8Array>();
  let origin: number | undefined;
  for (const { pid, starts, payload } of packets(bytes, layout)) {
    if (!starts || !program.streams.some((stream) => stream.pid === pid)) continue;
    if (!first.has(pid)) first.set(pid, payload);
    const time = timeOf(payload);
    if (time !== undefined && (origin === undefined || since(origin, time) < 0)) origin = time;
  }
  if (!enough && program.streams.some(({ pid }) => !first.has(pid))) return "more";
  const streams = program.streams.filter(({ pid }) => first.has(pid));
  for (const elementary of streams)
    if (elementary.type === 3 || elementary.type === 4)
      layered(elementary, first.get(elementary.pid)!);
  return { layout, origin: origin ?? 0, streams };
}

/** MPEG sound is layer I, II, or III (MP3). */
function layered(elementary: Elementary, payload: Uint8Array): void {
  const bytes = new Bytes(payload);
  for (let at = 9 + bytes.u8(8); at + 4 <= bytes.length; at += 1) {
    if (bytes.u8(at) !== 0xff || (bytes.u8(at + 1) & 0xe0) !== 0xe0 || (bytes.u8(at + 1) & 6) === 0)
      continue;
    const { named, sampleRate, channels } = mpegAudio(bytes, at);
    elementary.stream = {
      ...track(elementary.pid, "audio", named, named.codec, { sampleRate, channels }),
      language: elementary.stream.language,
    };
    elementary.isRead = named.codec === "mp3";
    return;
  }
}

/** The first program with video, or else the first one. */
function tables(bytes: Uint8Array, layout: Layout): Pick<TransportHead, "streams"> | undefined {
  const association = section(bytes, layout, (packet) => packet.pid === 0, 0x00);
  const maps: number[] = [];
  if (association)
    for (let at = 8; at + 4 <= association.length; at += 4)
      if (association.u16(at, false) !== 0) maps.push(association.u16(at + 2, false) & 0x1fff);
  // Some files lack the program table: take any program map.
  const wanted = maps.length > 0 ? maps : [undefined];
  const programs = wanted
    .map((pid) => section(bytes, layout, (packet) => pid === undefined || packet.pid === pid, 0x02))
    .filter((map) => map !== undefined)
    .map(programOf);
  return (
    programs.find(({ streams }) => streams.some(({ stream }) => stream.type === "video")) ??
    programs[0]
  );
}

/** The first section of a table in the accepted packets, without its checksum. */
function section(
  bytes: Uint8Array,
  layout: Layout,
  accept: (packet: Packet) => boolean,
  table: number,
): Bytes | undefined {
  let gathered: number[] | undefined;
  let pid = -1;
  for (const packet of packets(bytes, layout)) {
    if (!accept(packet) || (gathered && packet.pid !== pid)) continue;
    if (packet.starts) {
      const from = 1 + (packet.payload[0] ?? 0);
      if (packet.payload[from] !== table) continue;
      gathered = [...packet.payload.subarray(from)];
      pid = packet.pid;
    } else gathered?.push(...packet.payload);
    if (!gathered || gathered.length < 3) continue;
    const length = 3 + (((gathered[1]! & 15) << 8) | gathered[2]!);
    if (gathered.length >= length) return new Bytes(Uint8Array.from(gathered.slice(0, length - 4)));
  }
  return undefined;
}

function programOf(map: Bytes): Pick<TransportHead, "streams"> {
  const streams: Elementary[] = [];
  const infoEnd = 12 + (map.u16(10, false) & 0xfff);
  const isBluRay = [...descriptors(map, 12, infoEnd)].some(
    ({ tag, at }) => tag === 0x05 && map.ascii(at, 4).startsWith("HD"),
  );
  for (let at = infoEnd; at + 5 <= map.length && streams.length < MOST_TRACKS; ) {
    const [type, pid, end] = [
      map.u8(at),
      map.u16(at + 1, false) & 0x1fff,
      at + 5 + (map.u16(at + 3, false) & 0xfff),
    ];
    const described = kind(map, type, at + 5, end, isBluRay);
    if (described && !streams.some((other) => other.pid === pid)) {
      const stream = track(
        pid,
        described.isVideo ? "video" : "audio",
        described.named,
        `0x${type.toString(16)}`,
      );
      stream.language = described.language;
      streams.push({ pid, type, stream, isRead: described.isRead });
    }
    at = end;
  }
  return { streams };
}

function* descriptors(
  map: Bytes,
  from: number,
  to: number,
): Generator<{ tag: number; at: number; length: number }> {
  for (let at = from; at + 2 <= Math.min(to, map.length); at += 2 + map.u8(at + 1))
    yield { tag: map.u8(at), at: at + 2, length: map.u8(at + 1) };
}

/** Stream types whose frames are read here. */
const READ = new Map<number, Codec>([
  [0x1b, "h264"],
  [0x03, "mp3"],
  [0x04, "mp3"],
  [0x0f, "aac"],
  [0x81, "ac3"],
  [0x87, "eac3"],
  [0x82, "dts"],
  [0x8a, "dts"],
]);
const VIDEO = new Map<number, Named>([
  [0x01, { codec: "other", name: "MPEG-1" }],
  [0x02, { codec: "mpeg2" }],
  [0x10, { codec: "mpeg4" }],
  [0x1b, { codec: "h264" }],
  [0xea, { codec: "other", name: "VC-1" }],
  [0x42, { codec: "other", name: "AVS" }],
  // HEVC would need the same conversion as H.264.
  [0x24, { codec: "other", name: "HEVC" }],
  [0x33, { codec: "other", name: "VVC" }],
]);
const SOUND = new Map<number, Named>([
  [0x11, { codec: "other", name: "AAC (LATM)" }],
  [0x1c, { codec: "other", name: "AAC" }],
]);
const BLU_RAY = new Map<number, Named>([
  [0x80, { codec: "other", name: "LPCM" }],
  [0x83, { codec: "truehd" }],
  [0x84, { codec: "other", name: "E-AC-3" }],
  [0xa1, { codec: "other", name: "E-AC-3" }],
  [0x85, { codec: "dts" }],
  [0x86, { codec: "dts" }],
  [0xa2, { codec: "dts" }],
]);

function kind(
  map: Bytes,
  type: number,
  from: number,
  to: number,
  isBluRay: boolean,
): { named: Named; isVideo: boolean; isRead: boolean; language: string | undefined } | undefined {
  let language: string | undefined;
  let byDescriptor: Named | undefined;
  let isRead = READ.has(type);
  for (const { tag, at, length } of descriptors(map, from, to)) {
    if (tag === 0x0a && length >= 3)
      language = map.ascii(at, 3).replace(/[^a-z]/gi, "") || undefined;
    if (type !== 0x06) continue;
    const format = tag === 0x05 ? map.ascii(at, 4) : "";
    if (tag === 0x6a || format === "AC-3") byDescriptor = { codec: "ac3" };
    else if (tag === 0x7a || tag === 0xcc || format === "EAC3") byDescriptor = { codec: "eac3" };
    else if (tag === 0x7b || format.startsWith("DTS")) byDescriptor = { codec: "dts" };
    else if (format === "Opus") byDescriptor = { codec: "other", name: "Opus" };
    else if (format === "HEVC") byDescriptor = { codec: "other", name: "HEVC" };
    isRead ||=
      tag === 0x6a || tag === 0x7a || tag === 0xcc || tag === 0x7b || format.startsWith("DTS");
  }
  const blu = isBluRay ? BLU_RAY.get(type) : undefined;
  isRead ||= blu?.codec === "dts";
  const picture = VIDEO.get(type) ?? (byDescriptor?.name === "HEVC" ? byDescriptor : undefined);
  const named =
    picture ??
    blu ??
    SOUND.get(type) ??
    byDescriptor ??
    (READ.has(type) ? { codec: READ.get(type)! } : undefined);
  return (
    named && {
      named,
      isVideo: picture !== undefined,
      isRead: isRead && (picture === undefined || picture.codec === "h264"),
      language,
    }
  );
}
