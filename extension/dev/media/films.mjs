// Makes short test films with a flash and a beep every two seconds.
//
// Each film is made once, in a scratch folder outside of the repository.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

export const SCRATCH = process.env.MEDIA_SCRATCH ?? join(tmpdir(), "jstorrent-media");
/** Length of a film in seconds. */
export const LENGTH = 64;
/** Interval and duration of flashes and beeps, in seconds. */
export const EVERY = 2;
export const LASTS = 0.12;

const VIDEO = {
  h264: ["-c:v", "libx264", "-preset", "veryfast", "-g", "48", "-bf", "3", "-pix_fmt", "yuv420p"],
  vp9: [
    "-c:v",
    "libvpx-vp9",
    "-deadline",
    "realtime",
    "-cpu-used",
    "8",
    "-b:v",
    "600k",
    "-g",
    "48",
  ],
  av1: ["-c:v", "libsvtav1", "-preset", "12", "-g", "48"],
  hevc: ["-c:v", "libx265", "-preset", "ultrafast", "-g", "48", "-x265-params", "log-level=error"],
  xvid: ["-c:v", "mpeg4", "-vtag", "xvid", "-q:v", "4", "-g", "48"],
  mpeg2: ["-c:v", "mpeg2video", "-q:v", "4", "-g", "24"],
  wmv: ["-c:v", "wmv2", "-q:v", "4", "-g", "48"],
  flv: ["-c:v", "flv", "-q:v", "4", "-g", "48"],
};
const AUDIO = {
  aac: ["-c:a", "aac"],
  ac3: ["-c:a", "ac3", "-b:a", "384k"],
  eac3: ["-c:a", "eac3", "-b:a", "384k"],
  dts: ["-c:a", "dca", "-strict", "-2", "-b:a", "768k"],
  opus: ["-c:a", "libopus", "-mapping_family", "0", "-ac", "2"],
  flac: ["-c:a", "flac", "-strict", "-2"],
  mp3: ["-c:a", "libmp3lame", "-ac", "2"],
  pcm: ["-c:a", "pcm_s16le", "-ac", "2"],
  vorbis: ["-c:a", "libvorbis", "-ac", "2"],
  mp2: ["-c:a", "mp2", "-ac", "2"],
  wma: ["-c:a", "wmav2", "-ac", "2"],
  truehd: ["-c:a", "truehd", "-strict", "-2"],
};

function ffmpeg(args) {
  execFileSync("ffmpeg", ["-v", "error", "-y", ...args], {
    stdio: ["ignore", "ignore", "inherit"],
  });
}

/** Makes a file once. The file has another name until it is complete. */
export function made(name, make) {
  mkdirSync(SCRATCH, { recursive: true });
  const path = join(SCRATCH, name);
  if (existsSync(path)) return path;
  const half = join(SCRATCH, `half-${name}`);
  make(half);
  renameSync(half, path);
  return path;
}

/** The container of a codec's video before `film` adds the sound. Other codecs use Matroska. */
const CARRIERS = { xvid: "avi", wmv: "asf", flv: "flv", mpeg2: "mpg" };

/** Video with flashes, made once per codec. */
function picture(codec, length) {
  return made(`picture-${codec}-${length}.${CARRIERS[codec] ?? "mkv"}`, (path) =>
    ffmpeg([
      "-f",
      "lavfi",
      "-i",
      [
        `testsrc2=s=320x180:r=25:d=${length}`,
        "drawbox=x=160:w=160:c=black:t=fill",
        `drawbox=x=160:w=160:c=white:t=fill:enable='lt(mod(t,${EVERY}),${LASTS})'`,
      ].join(","),
      ...VIDEO[codec],
      path,
    ]),
  );
}

function sound(codec, length, pitch = 1000) {
  const beep = `0.5*sin(2*PI*${pitch}*t)*lt(mod(t,${EVERY}),${LASTS})`;
  // With six channels, the beep is in the centre channel only, like speech.
  const source = ["ac3", "eac3", "dts"].includes(codec)
    ? `aevalsrc='0|0|${beep}|0|0|0:c=5.1:s=48000:d=${length}'`
    : `aevalsrc='${beep}|${beep}:c=stereo:s=48000:d=${length}'`;
  return made(`sound-${codec}-${pitch}-${length}.${codec === "wma" ? "asf" : "mka"}`, (path) =>
    ffmpeg(["-f", "lavfi", "-i", source, ...AUDIO[codec], path]),
  );
}

const EXTRA = {
  mp4: ["-movflags", "+faststart", "-strict", "-2"],
  ts: ["-muxdelay", "0"],
  mpg: ["-f", "vob"],
  wmv: ["-f", "asf"],
};

/** Makes a film. `container` is the file name's extension. */
export function film(video, audio, container, length = LENGTH) {
  return made(`${video}-${audio}-${length}.${container}`, (path) =>
    ffmpeg([
      "-i",
      picture(video, length),
      "-i",
      sound(audio, length),
      "-map",
      "0",
      "-map",
      "1",
      "-c",
      "copy",
      ...(EXTRA[container] ?? []),
      path,
    ]),
  );
}

/** Encoders with rate control. */
const RATED = ["h264", "hevc"];

/** Repeats a minute of 720p at 2 Mb/s, or `from`, to get a film of realistic length and size. */
export function looped(video, audio, container, seconds, from) {
  const minute =
    from ??
    made(`minute-${video}-${audio}.${container}`, (path) =>
      ffmpeg([
        "-i",
        made(`minute-${video}.${CARRIERS[video] ?? "mkv"}`, (half) =>
          ffmpeg([
            "-f",
            "lavfi",
            "-i",
            "testsrc2=s=1280x720:r=24:d=60,noise=alls=8:allf=t",
            ...VIDEO[video],
            ...(RATED.includes(video)
              ? ["-preset", "ultrafast", "-b:v", "2M", "-maxrate", "3M", "-bufsize", "4M"]
              : ["-q:v", "8"]),
            half,
          ]),
        ),
        "-i",
        sound(audio, 60),
        "-map",
        "0",
        "-map",
        "1",
        "-c",
        "copy",
        ...(EXTRA[container] ?? []),
        path,
      ]),
    );
  return made(`looped-${from ? "small-" : ""}${video}-${audio}-${seconds}.${container}`, (path) =>
    ffmpeg([
      "-stream_loop",
      "-1",
      "-i",
      minute,
      "-t",
      `${seconds}`,
      "-map",
      "0",
      "-c",
      "copy",
      ...(EXTRA[container] ?? []),
      path,
    ]),
  );
}

/** A film with two sound tracks of different codecs and pitches, and two kinds of subtitles. */
export function manyTracks(length = 60) {
  const subtitles = made(`many-${length}.srt`, (path) => writeSrt(path, length));
  return made(`many-${length}.mkv`, (path) =>
    ffmpeg([
      "-i",
      picture("h264", length),
      "-i",
      sound("ac3", length),
      "-i",
      sound("aac", length, 3000),
      "-i",
      subtitles,
      "-i",
      subtitles,
      "-map",
      "0",
      "-map",
      "1",
      "-map",
      "2",
      "-map",
      "3",
      "-map",
      "4",
      "-c:v",
      "copy",
      "-c:a",
      "copy",
      "-c:s:0",
      "srt",
      "-c:s:1",
      "ass",
      "-metadata:s:a:0",
      "language=eng",
      "-metadata:s:a:1",
      "language=ger",
      "-metadata:s:a:1",
      "title=Kommentar",
      path,
    ]),
  );
}

function writeSrt(path, length) {
  const stamp = (s) => new Date(s * 1000).toISOString().slice(11, 23).replace(".", ",");
  writeFileSync(
    path,
    Array.from(
      { length: length / 2 },
      (_, i) => `${i + 1}\n${stamp(i * 2)} --> ${stamp(i * 2 + 7)}\nLine ${i + 1}\n`,
    ).join("\n"),
  );
}

/** A film whose sound begins six seconds after its picture. */
export function lateSound(audio) {
  return made(`late-${audio}.mkv`, (path) =>
    ffmpeg([
      "-i",
      picture("h264", LENGTH),
      "-itsoffset",
      "6",
      "-i",
      sound(audio, LENGTH),
      "-map",
      "0",
      "-map",
      "1",
      "-c",
      "copy",
      path,
    ]),
  );
}

/** The first part of a film, cut at any byte. */
export function cut(path, share) {
  return made(`cut-${basename(path)}`, (to) =>
    writeFileSync(to, readFileSync(path).subarray(0, Math.floor(statSync(path).size * share))),
  );
}

/** A film with neither index nor duration. */
export function live() {
  return made("live.mkv", (path) =>
    ffmpeg(["-i", film("h264", "ac3", "mkv"), "-c", "copy", "-f", "matroska", "-live", "1", path]),
  );
}
