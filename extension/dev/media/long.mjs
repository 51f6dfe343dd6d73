// Plays a film for a long time and measures stalls, A/V offset and memory: `npm run media:long`.
//
// The film plays for ten minutes, then for two hours at 16 times the speed. After a garbage
// collection, two kinds of memory are measured: that of the renderer process, and that of the live
// data of page and worker. The command fails if the process or the worker grows. Another film is
// played by `node dev/media/long.mjs FILM mse|ffmpeg|plain [minutes] [hours]`.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { launch } from "../../scripts/chromium.mjs";
import { film, looped, SCRATCH } from "./films.mjs";
import { watchHeaps } from "./heap.mjs";
import { bundle, serve } from "./serve.mjs";
import { address, closePage, median, number, offsetsOf, openPage, wait } from "./trial.mjs";

const [name = "h264-ac3.mkv", way = "mse", minutes = "10", hours = "2"] = process.argv.slice(2);
const SPEED = 16;
const EVERY_S = 30;
/**
 * Most growth of the process at normal speed, in MB. At 16 times the speed, the decoders' memory
 * depends on the machine's load.
 */
const MOST_GROWTH = 10;
/** Most growth of the worker's live data, in MB. */
const MOST_GROWTH_ALIVE = 2;

const parts = name.split(/[-.]/);
const seconds = Math.max(Number(minutes) * 60 + 30, Number(hours) * 3600);
const path = seconds > 64 ? looped(...parts, seconds, film(...parts)) : film(...parts);
const scripts = join(SCRATCH, "scripts-long");
await bundle(scripts);
const { server, base } = await serve(scripts, new Map([[name, path]]));
const browser = await launch({ args: ["--autoplay-policy=no-user-gesture-required"] });

/** Memory of the largest renderer in MB. */
async function memory() {
  const { processInfo } = await browser.send("SystemInfo.getProcessInfo");
  const of = ({ id }) =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${id}/status`, "utf8"))?.[1] ?? 0) / 1024;
  return Math.max(...processInfo.filter(({ type }) => type === "renderer").map(of));
}

async function watch(speed, until) {
  const page = await openPage(browser, base);
  const heaps = await watchHeaps(browser, page);
  await page.evaluate(
    `trial.${way}(${JSON.stringify(address(base, name))}).then(() => trial.first())`,
  );
  await page.evaluate(`trial.speed(${speed})`);
  const memories = [];
  const alives = [];
  const all = [];
  console.log(
    "film s | stalls | stalled ms | A/V ms | beeps | MB | alive in page, worker | buffered MB",
  );
  for (let last = -1; ; ) {
    await wait(EVERY_S * 1000);
    const state = await page.evaluate("trial.state()");
    const { buffered, appended } = (await page.evaluate("trial.measure()")) ?? {
      buffered: 0,
      appended: 0,
    };
    const alive = await heaps();
    const offsets = offsetsOf(state);
    all.push(...offsets);
    memories.push(await memory());
    alives.push(alive.worker);
    console.log(
      [
        number(state.time),
        state.stalls,
        number(state.stalledMs),
        number(median(offsets)),
        state.beeps.length,
        number(memories.at(-1)),
        `${number(alive.page, 2)}, ${number(alive.worker, 2)}`,
        `${number(buffered / 2 ** 20)} (${number(appended / 2 ** 20)} appended)`,
      ].join(" | "),
    );
    await page.evaluate("trial.forget()");
    if (
      state.troubles.length > 0 ||
      state.error ||
      state.ended ||
      state.time >= until ||
      state.time === last
    ) {
      console.log(
        [...state.troubles, state.error].filter(Boolean).join(" ") ||
          (state.ended ? "It ended." : state.time >= until ? "That was all." : "It stands still."),
      );
      break;
    }
    last = state.time;
  }
  if (all.length > 0)
    console.log(
      `A/V: ${number(Math.min(...all))} to ${number(Math.max(...all))} ms,`,
      `median ${number(median(all))}.`,
    );
  console.log(
    `Memory: ${number(memories[0])} MB after ${EVERY_S} s,`,
    `${number(Math.max(...memories))} at most, ${number(memories.at(-1))} at the end.`,
  );
  const [grown, grownAlive] = [growth(memories), growth(alives)];
  const fails = (speed === 1 && grown > MOST_GROWTH) || grownAlive > MOST_GROWTH_ALIVE;
  if (fails) process.exitCode = 1;
  console.log(
    `The process grew by ${number(grown, 1)} MB,`,
    `its worker’s live data by ${number(grownAlive, 1)} MB${fails ? ": too much." : "."}`,
  );
  await closePage(browser, page);
}

/**
 * By how much the median of the last third exceeds that of the first. Ignores the first minute,
 * when buffers fill.
 */
function growth(values) {
  const settled = values.slice(2);
  const third = Math.max(1, Math.floor(settled.length / 3));
  return settled.length < 2 ? 0 : median(settled.slice(-third)) - median(settled.slice(0, third));
}

try {
  if (Number(minutes) > 0) {
    console.log(`${name} by ${way}, ${minutes} minutes:`);
    await watch(1, Number(minutes) * 60);
  }
  if (Number(hours) > 0) {
    console.log(`\n${name} by ${way}, ${hours} hours at ${SPEED} times the speed:`);
    await watch(SPEED, Number(hours) * 3600 - 2);
  }
} finally {
  await browser.close();
  server.close();
}
