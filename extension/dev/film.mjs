// Makes a minute of film for the test pages with ffmpeg, once.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Makes a film of VP8 and Opus in WebM at `path`, unless the file exists.
 * @param {string} path
 * @param {{ source: string, rate: string, more?: string }} picture ffmpeg's source, the bit rate,
 *   and more options of the encoder
 */
export function filmAt(path, { source, rate, more = "" }) {
  if (existsSync(path)) return;
  mkdirSync(dirname(path), { recursive: true });
  const options = [
    `-v error -f lavfi -i ${source} -f lavfi -i sine=330 -t 60`,
    `-c:v libvpx -b:v ${rate} ${more} -cpu-used 8 -deadline realtime -c:a libopus`,
  ].join(" ");
  execFileSync("ffmpeg", [...options.split(" ").filter(Boolean), path]);
}
