// Compares each way of playing with a plain `<video>` with AAC: `npm run media:ratios [word…]`.
//
// Measures the time and the bytes to the first frame, and those of a far seek. All bytes share a
// line of 1 MiB/s, and each request is delayed by 50 ms. The ways take turns, so that other load
// affects all of them. The script prints medians of three and their ratios to the plain way. With
// `-- --log` it also prints the requested ranges, their times, and the bytes sent.

import { join } from "node:path";
import { launch } from "../../scripts/chromium.mjs";
import { looped, SCRATCH } from "./films.mjs";
import { bundle, serve } from "./serve.mjs";
import { address, closePage, median, number, openPage, wait } from "./trial.mjs";

const logs = process.argv.includes("--log");
const words = process.argv.slice(2).filter((word) => !word.startsWith("--"));
const SECONDS = 600;
const ROUNDS = 3;
/**
 * The position of the seek in seconds. The films repeat one minute, and no repetition begins here.
 */
const PLACE = 505;
const LINE = "&rate=1048576&delay=50";

const ways = [
  ["h264-aac.mp4", "plain"],
  ["h264-aac.mkv", "plain"],
  ["h264-ac3.mkv", "mse"],
  ["h264-dts.mkv", "mse"],
  ["h264-eac3.mkv", "mse"],
  ["h264-ac3.mp4", "mse"],
  ["h264-aac.ts", "mse"],
  ["h264-ac3.ts", "mse"],
  ["h264-truehd.mkv", "ffmpeg"],
  ["xvid-mp3.avi", "ffmpeg"],
  ["hevc-aac.mkv", "ffmpeg"],
].filter(
  ([name, way], index) =>
    index === 0 || words.length === 0 || words.some((word) => `${name} ${way}`.includes(word)),
);

const paths = new Map(ways.map(([name]) => [name, looped(...name.split(/[-.]/), SECONDS)]));
const scripts = join(SCRATCH, "scripts-ratios");
await bundle(scripts);
const { server, sent, asked, base } = await serve(scripts, paths);
const browser = await launch({ args: ["--autoplay-policy=no-user-gesture-required"] });
const results = new Map(ways.map((way) => [way, []]));

async function measure(name, way) {
  sent.delete(name);
  const bytes = () => (sent.get(name) ?? 0) / 1024;
  const page = await openPage(browser, base);
  let began = performance.now();
  asked.length = 0;
  const first = await page.evaluate(
    `trial.${way}(${JSON.stringify(address(base, name, LINE))}).then(() => trial.first())`,
  );
  const firstBytes = bytes();
  if (logs) log(`${name} ${way}: first frame`, began);
  await wait(2500);
  const before = bytes();
  began = performance.now();
  asked.splice(0, asked.length, ...asked.filter(({ until }) => until === undefined));
  const seek = await page.evaluate(`trial.seek(${PLACE}, 30000)`);
  const seekBytes = bytes() - before;
  if (logs) log(`${name} ${way}: seek to ${PLACE} s`, began);
  await closePage(browser, page);
  return { first, firstBytes, seek, seekBytes };
}

/** Prints the requests since `began`. */
function log(what, began) {
  console.log(`${what} (${number(performance.now() - began)} ms)`);
  for (const { start, end, at, until, sent } of asked) {
    const ended = until === undefined ? "runs" : `ended at ${number(until - began)}`;
    console.log(
      `  at ${number(at - began)} ms, ${start}-${end}: ${number(sent / 1024)} KB, ${ended}`,
    );
  }
}

try {
  for (let round = 0; round < ROUNDS; round += 1)
    for (const way of ways) results.get(way).push(await measure(...way));
  const columns = ["first", "firstBytes", "seek", "seekBytes"];
  const of = (way) =>
    Object.fromEntries(
      columns.map((column) => [column, median(results.get(way).map((result) => result[column]))]),
    );
  const plain = of(ways[0]);
  console.log(
    "film | way | first frame ms | KB | seek ms | KB | ratios: first frame, KB, seek, KB",
  );
  console.log("--- | --- | --- | --- | --- | --- | ---");
  for (const way of ways) {
    const here = of(way);
    console.log(
      [
        way[0],
        way[1],
        ...columns.map((column) => number(here[column])),
        columns.map((column) => number(here[column] / plain[column], 2)).join(" "),
      ].join(" | "),
    );
  }
} finally {
  await browser.close();
  server.close();
}
