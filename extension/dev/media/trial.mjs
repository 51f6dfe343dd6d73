// Tests one film in one page: plays its start, seeks forward and back, and reports problems.

import { until } from "../../scripts/chromium.mjs";

/** Largest A/V offset in ms: the duration of a frame. */
const FRAME_MS = 42;
const PITCH = 1000;
/** Longest time to a first frame and of a seek, in ms. All bytes are on this machine. */
const SLOW_MS = 2500;
/**
 * Problems that a busy machine can cause. A film with only such problems is tried again. Silence, a
 * wrong verdict and a wrong length are not among them.
 */
const NOISE = new Set(["first frame", "seek", "pitch", "sync"]);
const MOST_LOOKS = 3;

export const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
export const number = (value, digits = 0) =>
  value === undefined || Number.isNaN(value) ? "–" : value.toFixed(digits);

/** The address of a film. The server cuts each reply to 1 MiB, as the daemon does for the pages. */
export const address = (base, name, query = "") => `${base}/stream/${name}?part=1048576${query}`;

/** Opens the test page. */
export async function openPage(browser, base) {
  const page = await browser.open(`${base}/`);
  await until("the page", () => page.evaluate("!!globalThis.trial"));
  return page;
}

export const closePage = (browser, page) =>
  browser.send("Target.closeTarget", { targetId: page.target.targetId });

/** How much later the beeps are than the flashes, in ms. */
export function offsetsOf({ flashes, beeps }) {
  return flashes.flatMap((flash) => {
    const beep = beeps.map(({ at }) => at - flash.at).filter((offset) => Math.abs(offset) < 500);
    return beep.length > 0 ? [median(beep)] : [];
  });
}

async function once({ browser, base, sent }, name, way) {
  sent.delete(name);
  const page = await openPage(browser, base);
  await page.evaluate(`void trial.${way}(${JSON.stringify(address(base, name))}).catch(() => {})`);
  const states = [];
  await wait(4600);
  states.push(await page.evaluate("trial.state()"));
  const seeks = [];
  for (const at of [57.5, 9.5]) {
    seeks.push(await page.evaluate(`trial.seek(${at})`));
    await wait(3200);
    states.push(await page.evaluate("trial.state()"));
  }
  await closePage(browser, page);
  const pitches = states
    .flatMap((state) => state.beeps.map(({ pitch }) => pitch))
    .filter((pitch) => pitch > 0);
  return {
    verdict: states[0].verdict && `${states[0].verdict.path} ${states[0].verdict.reason}`,
    troubles: states.flatMap((state) => [...state.troubles, state.error]).filter(Boolean),
    first: states[0].firstFrame,
    seeks,
    beeps: states.map((state) => state.beeps.length),
    pitch: median(pitches),
    offset: median(states.flatMap(offsetsOf)),
    bytes: sent.get(name),
    // The length may become known late.
    duration: states.at(-1).duration,
  };
}

/** Plays a film in a plain `<video>`, for comparison. */
export const plainly = (stage, name) => once(stage, name, "plain");

/**
 * Plays a film with an engine and returns problems in words. `offset` is the A/V offset of a plain
 * `<video>`, in ms.
 */
export async function trial(stage, { name, way, verdict }, offset) {
  for (let looks = 1; ; looks += 1) {
    const result = await once(stage, name, way);
    result.sync = result.offset === undefined ? undefined : result.offset - offset;
    const fails = [];
    if (result.verdict !== verdict) fails.push(`verdict, not ${verdict}`);
    if (!(result.first < SLOW_MS)) fails.push("first frame");
    if (result.beeps.some((count) => count < 1)) fails.push("silent");
    if (!(Math.abs(result.pitch - PITCH) < 100)) fails.push("pitch");
    if (!(Math.abs(result.sync) <= FRAME_MS)) fails.push("sync");
    if (result.seeks.some((ms) => ms < 0 || ms > SLOW_MS)) fails.push("seek");
    if (!(Math.abs(result.duration - 64) < 0.3)) fails.push(`duration ${result.duration}`);
    fails.push(...result.troubles);
    if (fails.length === 0 || looks === MOST_LOOKS || !fails.every((fail) => NOISE.has(fail)))
      return { ...result, fails, looks };
  }
}
