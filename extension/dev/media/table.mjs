// Plays every combination of codecs and containers and prints a table: `npm run media [word…]`.
//
// The worker plays each film that it can, to test copying. ffmpeg converts the others. The command
// fails if a cell exceeds its limit. `--short` plays one film of each kind, `--daemon` converts
// with the real daemon. Needs ffmpeg and Chromium; the films are made once.

import { join } from "node:path";
import { launch } from "../../scripts/chromium.mjs";
import { startDaemon } from "./daemon.mjs";
import { film, SCRATCH } from "./films.mjs";
import { bundle, serve } from "./serve.mjs";
import { number, plainly, trial } from "./trial.mjs";

const isShort = process.argv.includes("--short");
const words = process.argv.slice(2).filter((word) => !word.startsWith("--"));

/**
 * The verdict that the inspection should give a film that the worker plays here. Sound in PCM and
 * Vorbis needs no worker: the `<video>` plays it.
 */
function expected(audio, container) {
  if (["ac3", "eac3", "dts"].includes(audio)) return "mse sound_transcoded";
  return container === "ts" ? "mse container" : "native plays_as_is";
}

const worker = [
  ...["h264", "vp9", "av1"].flatMap((video) =>
    ["aac", "ac3", "eac3", "dts", "opus", "flac", "mp3", "pcm", "vorbis"].map((audio) => [
      video,
      audio,
      "mkv",
    ]),
  ),
  ...["h264", "vp9", "av1"].flatMap((video) =>
    ["aac", "ac3", "eac3", "opus", "flac", "mp3"].map((audio) => [video, audio, "mp4"]),
  ),
  ...["vp9", "av1"].flatMap((video) => ["opus", "vorbis"].map((audio) => [video, audio, "webm"])),
  ...["aac", "ac3", "eac3", "dts", "mp3"].map((audio) => ["h264", audio, "ts"]),
].map((row) => [...row, "mse", expected(row[1], row[2])]);

const converter = [
  ["xvid", "mp3", "avi", "ffmpeg container"],
  ["wmv", "wma", "wmv", "ffmpeg container"],
  ["flv", "mp3", "flv", "ffmpeg container"],
  ["mpeg2", "mp2", "mpg", "ffmpeg container"],
  ["mpeg2", "ac3", "ts", "ffmpeg video_codec"],
  ["hevc", "aac", "mkv", "ffmpeg video_codec"],
  ["hevc", "ac3", "mp4", "ffmpeg video_codec"],
  ["hevc", "aac", "ts", "ffmpeg video_codec"],
  // ffmpeg copies the video of these films.
  ["h264", "truehd", "mkv", "ffmpeg audio_codec"],
  ["h264", "mp2", "ts", "ffmpeg audio_codec"],
].map(([video, audio, container, verdict]) => [video, audio, container, "ffmpeg", verdict]);

const SHORT = [
  "h264-ac3.mkv",
  "h264-dts.mkv",
  "av1-flac.mkv",
  "vp9-opus.webm",
  "h264-eac3.mp4",
  "h264-ac3.ts",
  "h264-aac.ts",
  "xvid-mp3.avi",
  "wmv-wma.wmv",
  "mpeg2-mp2.mpg",
  "mpeg2-ac3.ts",
  "hevc-aac.mkv",
  "hevc-ac3.mp4",
  "h264-truehd.mkv",
  "h264-mp2.ts",
];

const rows = [...worker, ...converter]
  .map(([video, audio, container, way, verdict]) => ({
    video,
    audio,
    container,
    way,
    verdict,
    name: `${video}-${audio}.${container}`,
  }))
  .filter(
    ({ name }) =>
      (!isShort || SHORT.includes(name)) &&
      (words.length === 0 || words.some((word) => name.replace(".", "-").includes(word))),
  );

/**
 * Films that the `<video>` plays by itself, for comparison. FFmpeg's AAC is 20 ms late in any
 * player, so films with AAC are compared with AAC.
 */
const PLAIN = { aac: "h264-aac.mp4", opus: "h264-opus.mkv" };

const plainRows = Object.values(PLAIN).map((name) => name.split(/[-.]/));
const paths = new Map(
  [...rows.map(({ video, audio, container }) => [video, audio, container]), ...plainRows].map(
    ([video, audio, container]) => [
      `${video}-${audio}.${container}`,
      film(video, audio, container),
    ],
  ),
);
const scripts = join(SCRATCH, isShort ? "scripts-short" : "scripts");
const sizes = await bundle(scripts);
const daemon = process.argv.includes("--daemon")
  ? await startDaemon(
      new Map(
        rows.filter(({ way }) => way === "ffmpeg").map(({ name }) => [name, paths.get(name)]),
      ),
    )
  : undefined;
const { server, sent, base } = await serve(scripts, paths, daemon);
const browser = await launch({ args: ["--autoplay-policy=no-user-gesture-required"] });
const stage = { browser, base, sent };
const COLUMNS = [
  "film",
  "way",
  "verdict",
  "first frame ms",
  "beeps (start, forwards, back)",
  "Hz",
  "A/V ms against plain",
  "seeks ms",
  "KB",
  "looks",
  "fails",
];
const began = Date.now();
let failures = 0;

try {
  const plain = { aac: await plainly(stage, PLAIN.aac), opus: await plainly(stage, PLAIN.opus) };
  console.log(COLUMNS.join(" | "));
  console.log(COLUMNS.map(() => "---").join(" | "));
  const line = (
    name,
    way,
    {
      verdict = "",
      first,
      beeps,
      pitch,
      sync = undefined,
      seeks,
      bytes = 0,
      looks = 1,
      fails = [],
    },
  ) =>
    console.log(
      [
        name,
        way,
        verdict,
        number(first),
        beeps.join(" "),
        number(pitch),
        number(sync),
        seeks.map((ms) => number(ms)).join(" "),
        number(bytes / 1024),
        looks,
        fails.join(", "),
      ].join(" | "),
    );
  for (const [codec, name] of Object.entries(PLAIN))
    line(name, "plain", { ...plain[codec], sync: 0 });
  for (const row of rows) {
    // ffmpeg's conversions have AAC.
    const like = row.audio === "aac" || row.way === "ffmpeg" ? plain.aac : plain.opus;
    const result = await trial(stage, row, like.offset);
    failures += result.fails.length > 0 ? 1 : 0;
    line(row.name, row.way, result);
  }
  if (!isShort)
    console.log(
      "\ngzipped:",
      Object.entries(sizes)
        .map(
          ([file, { gzipped, from }]) =>
            `${file} ${gzipped} (${from.split("/").slice(-3).join("/")})`,
        )
        .join(" · "),
    );
  console.log(
    `${rows.length} films in ${Math.round((Date.now() - began) / 1000)} s.`,
    failures === 0 ? "All cells hold." : `${failures} films fail.`,
  );
} finally {
  await browser.close();
  server.close();
  await daemon?.stop();
}
process.exitCode = failures === 0 ? 0 : 1;
