// Parses the head of a Windows Media file (Advanced Systems Format, revision 01.20.05).

import type { Stream } from "../film";
import { fourcc, waveFormat } from "../names";
import { type Bytes, type Head, lasting, MOST_TRACKS, track } from "./head";

// GUIDs as stored in the file.
const FILE = "a1dcab8c47a9cf118ee400c00c205365";
const STREAM = "9107dcb7b7a9cf118ee600c00c205365";
const ENCRYPTED = ["fbb3112223bdd211b4b700a0c955fc6e", "14e68a292226174cb935dae07ee9289c"];
const AUDIO = "409e69f84d5bcf11a8fd00805f5c442b";
const VIDEO = "c0ef19bc4d5bcf11a8fd00805f5c442b";

/** Size of the head in bytes, from its first 24 bytes. */
export function asfHeadSize(bytes: Bytes): number {
  return bytes.u64(16);
}

/** Reads the head of a Windows Media file. */
export function readAsf(bytes: Bytes): Head {
  const streams: Stream[] = [];
  let duration: number | undefined;
  let encrypted = false;
  const end = Math.min(bytes.u64(16), bytes.length);
  for (let at = 30; at + 24 <= end; ) {
    const guid = bytes.hex(at, 16);
    const size = bytes.u64(at + 16);
    if (size < 24) break;
    // The play duration includes the preroll.
    if (guid === FILE) duration = lasting(bytes.u64(at + 64) / 1e7 - bytes.u64(at + 80) / 1e3);
    else if (ENCRYPTED.includes(guid)) encrypted = true;
    else if (guid === STREAM && streams.length < MOST_TRACKS) {
      const kind = bytes.hex(at + 24, 16);
      const id = bytes.u16(at + 72) & 127;
      const body = at + 78;
      if (kind === VIDEO) {
        const written = bytes.ascii(body + 27, 4);
        streams.push(
          track(id, "video", fourcc(written), written, {
            width: bytes.u32(body),
            height: bytes.u32(body + 4),
          }),
        );
      } else if (kind === AUDIO) {
        const tag = bytes.u16(body);
        streams.push(
          track(id, "audio", waveFormat(tag), `0x${tag.toString(16)}`, {
            channels: bytes.u16(body + 2),
            sampleRate: bytes.u32(body + 4),
          }),
        );
      }
    }
    at += size;
  }
  if (encrypted) for (const stream of streams) stream.encrypted = true;
  return { container: "asf", duration, streams };
}
