// Parses the head of an AVI file (AVI RIFF File Reference, OpenDML 1.02).

import type { Stream } from "../film";
import { fourcc, waveFormat } from "../names";
import { type Bytes, type Head, lasting, MOST_TRACKS, track } from "./head";

interface Chunk {
  id: string;
  /** Offset of the body, and its end, which may be beyond the bytes that were read. */
  at: number;
  end: number;
}

function* chunks(bytes: Bytes, from: number, to: number): Generator<Chunk> {
  for (let at = from; at + 8 <= Math.min(to, bytes.length); ) {
    const end = at + 8 + bytes.u32(at + 4);
    yield { id: bytes.ascii(at, 4), at: at + 8, end: Math.min(end, to) };
    at = end + (end & 1);
  }
}

/** Size of the head in bytes, from its first 24 bytes. */
export function aviHeadSize(bytes: Bytes): number {
  return bytes.ascii(12, 4) === "LIST" ? 20 + bytes.u32(16) : bytes.length;
}

/** Reads the head of an AVI file. */
export function readAvi(bytes: Bytes): Head {
  const streams: Stream[] = [];
  let seconds = 0;
  let frames = 0;
  let allFrames = 0;
  let perFrame = 0;
  const strl = ({ at, end }: Chunk): void => {
    let kind = "";
    let handler = "";
    let lasts = 0;
    let rate = 0;
    for (const { id, at: body } of chunks(bytes, at + 4, end)) {
      if (id === "strh") {
        kind = bytes.ascii(body, 4);
        handler = bytes.ascii(body + 4, 4);
        rate = bytes.u32(body + 24) / (bytes.u32(body + 20) || 1);
        lasts = rate > 0 ? bytes.u32(body + 32) / rate : 0;
      } else if (id === "strf" && kind === "vids") {
        const written = bytes.u32(body + 16) > 0xffff ? bytes.ascii(body + 16, 4) : handler;
        streams.push(
          track(streams.length, "video", fourcc(written), written, {
            width: Math.abs(bytes.i32(body + 4)),
            height: Math.abs(bytes.i32(body + 8)),
          }),
        );
        if (rate > 0) perFrame = 1 / rate;
        seconds = Math.max(seconds, lasts);
      } else if (id === "strf" && kind === "auds") {
        const tag = bytes.u16(body);
        streams.push(
          track(streams.length, "audio", waveFormat(tag), `0x${tag.toString(16)}`, {
            channels: bytes.u16(body + 2),
            sampleRate: bytes.u32(body + 4),
          }),
        );
        seconds = Math.max(seconds, lasts);
      } else if (id === "strf") {
        // Subtitles and timecodes only count as tracks.
      }
    }
  };
  for (const riff of chunks(bytes, 12, bytes.length)) {
    if (riff.id !== "LIST" || bytes.ascii(riff.at, 4) !== "hdrl") continue;
    for (const chunk of chunks(bytes, riff.at + 4, riff.end)) {
      if (chunk.id === "avih") {
        perFrame = bytes.u32(chunk.at) / 1e6;
        frames = bytes.u32(chunk.at + 16);
      } else if (
        chunk.id === "LIST" &&
        bytes.ascii(chunk.at, 4) === "strl" &&
        streams.length < MOST_TRACKS
      )
        strl(chunk);
      else if (chunk.id === "LIST" && bytes.ascii(chunk.at, 4) === "odml") {
        for (const { id, at } of chunks(bytes, chunk.at + 4, chunk.end))
          if (id === "dmlh") allFrames = bytes.u32(at);
      }
    }
    break;
  }
  // Beyond the first gigabyte, only OpenDML's count covers the whole film.
  return {
    container: "avi",
    duration: lasting(Math.max(seconds, Math.max(frames, allFrames) * perFrame)),
    streams,
  };
}
