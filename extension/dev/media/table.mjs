// Plays every combination of codecs and containers in a real browser and prints a table: `npm run media [word…]`.
//
// Every film goes through the worker, also those that the element would play alone, so that copying is tried as well.
// A cell that misses its bound fails the command. Needs ffmpeg and Chromium; the films are made once.

import { join } from "node:path";
import { launch, until } from "../../scripts/chromium.mjs";
import { film, SCRATCH } from "./films.mjs";
import { bundle, serve } from "./serve.mjs";

const words = process.argv.slice(2);
/** ms of one frame, which is what picture and sound may differ by. */
const FRAME_MS = 42;
const PITCH = 1000;
/** A first frame and a seek may take so long here, ms: everything lies on this machine. */
const SLOW_MS = 2500;

const films = [
  ...["h264", "vp9", "av1"].flatMap((video) => ["aac", "ac3", "eac3", "dts", "opus", "flac", "mp3", "pcm", "vorbis"].map((audio) => [video, audio, "mkv"])),
  ...["h264", "vp9", "av1"].flatMap((video) => ["aac", "ac3", "eac3", "opus", "flac", "mp3"].map((audio) => [video, audio, "mp4"])),
  ...["vp9", "av1"].flatMap((video) => ["opus", "vorbis"].map((audio) => [video, audio, "webm"])),
  ...["aac", "ac3", "eac3", "dts", "mp3"].map((audio) => ["h264", audio, "ts"]),
].filter((row) => words.length === 0 || words.some((word) => row.join("-").includes(word)));

/** What the element plays alone, for comparison. FFmpeg's AAC is heard 20 ms late in any player, so it has its own. */
const PLAIN = [["h264", "aac", "mp4"], ["h264", "opus", "mkv"]];

/** What inspecting has to say. PCM and Vorbis play in the element, too. */
function expected(audio, container) {
  if (["ac3", "eac3", "dts"].includes(audio)) return "mse sound_transcoded";
  return container === "ts" ? "mse container" : "native plays_as_is";
}

const paths = new Map(films.concat(PLAIN).map(([video, audio, container]) => [`${video}-${audio}.${container}`, film(video, audio, container)]));
const scripts = join(SCRATCH, "scripts");
const sizes = await bundle(scripts);
const { server, sent, base } = await serve(scripts, paths);
const browser = await launch({ args: ["--autoplay-policy=no-user-gesture-required"] });
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
let failures = 0;

/** Plays a film from its start, then from behind what is buffered, then from before it. */
async function trial(name, way) {
  sent.delete(name);
  const page = await browser.open(`${base}/`);
  await until("the page", () => page.evaluate("!!globalThis.trial"));
  await page.evaluate(`void trial.${way}(${JSON.stringify(`${base}/${name}?part=1048576`)}).catch(() => {})`);
  const states = [];
  await wait(4600);
  states.push(await page.evaluate("trial.state()"));
  const seeks = [];
  for (const at of [57.5, 9.5]) {
    seeks.push(await page.evaluate(`trial.seek(${at})`));
    await wait(3200);
    states.push(await page.evaluate("trial.state()"));
  }
  await browser.send("Target.closeTarget", { targetId: page.target.targetId });
  const offsets = states.flatMap(({ flashes, beeps }) => flashes.flatMap((flash) => {
    const beep = beeps.map(({ at }) => at - flash.at).filter((offset) => Math.abs(offset) < 500);
    return beep.length > 0 ? [median(beep)] : [];
  }));
  const beeps = states.map((state) => state.beeps.length);
  const pitches = states.flatMap((state) => state.beeps.map(({ pitch }) => pitch)).filter((pitch) => pitch > 0);
  return { verdict: states[0].verdict, troubles: states.flatMap((state) => [...state.troubles, state.error]).filter(Boolean), first: states[0].firstFrame, seeks, beeps, pitch: median(pitches), offset: median(offsets), bytes: sent.get(name), duration: states[0].duration };
}

const number = (value, digits = 0) => (value === undefined ? "–" : value.toFixed(digits));
try {
  const plain = {};
  for (const row of PLAIN) plain[row[1]] = await trial(`${row[0]}-${row[1]}.${row[2]}`, "plain");
  const against = (name, { offset }) => offset - (name.includes("-aac") ? plain.aac : plain.opus).offset;
  console.log("film | verdict | first frame ms | beeps (start, forwards, back) | Hz | A/V ms against plain | seeks ms | KB | fails");
  console.log("--- | --- | --- | --- | --- | --- | --- | --- | ---");
  const line = (name, result, fails) =>
    console.log([name, result.verdict ? `${result.verdict.path} ${result.verdict.reason}` : "plain", number(result.first), result.beeps.join(" "), number(result.pitch), number(against(name, result)), result.seeks.map((ms) => number(ms)).join(" "), number((result.bytes ?? 0) / 1024), fails.join(", ")].join(" | "));
  line("h264-aac.mp4 (plain)", plain.aac, []);
  line("h264-opus.mkv (plain)", plain.opus, []);
  for (const [video, audio, container] of films) {
    const name = `${video}-${audio}.${container}`;
    const result = await trial(name, "mse");
    const fails = [];
    const verdict = result.verdict && `${result.verdict.path} ${result.verdict.reason}`;
    if (verdict !== expected(audio, container)) fails.push("verdict");
    if (!(result.first < SLOW_MS)) fails.push("first frame");
    if (result.beeps.some((count) => count < 1)) fails.push("silent");
    if (!(Math.abs(result.pitch - PITCH) < 100)) fails.push("pitch");
    if (!(Math.abs(against(name, result)) <= FRAME_MS)) fails.push("sync");
    if (result.seeks.some((ms) => ms < 0 || ms > SLOW_MS)) fails.push("seek");
    if (!(Math.abs(result.duration - 64) < 0.3)) fails.push(`duration ${result.duration}`);
    if (result.troubles.length > 0) fails.push(...result.troubles);
    failures += fails.length > 0 ? 1 : 0;
    line(name, result, fails);
  }
  console.log("\ngzipped:", Object.entries(sizes).map(([file, { gzipped, from }]) => `${file} ${gzipped} (${from.split("/").slice(-3).join("/")})`).join(" · "));
  console.log(failures === 0 ? "All cells hold." : `${failures} films fail.`);
} finally {
  await browser.close();
  server.close();
}
process.exitCode = failures === 0 ? 0 : 1;
