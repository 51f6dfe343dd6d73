// One film in one page: played from its start, then from behind what is buffered, then from before
// it; and what is wrong with that.

import { until } from "../../scripts/chromium.mjs";

/** ms of one frame, which is what picture and sound may differ by. */
const FRAME_MS = 42;
const PITCH = 1000;
/** A first frame and a seek may take so long here, ms: everything lies on this machine. */
const SLOW_MS = 2500;
/** What a busy machine can bring about: worth another look. Silence, a wrong verdict, a wrong length never are. */
const NOISE = new Set(["first frame", "seek", "pitch", "sync"]);
const MOST_LOOKS = 3;

export const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
export const number = (value, digits = 0) =>
  value === undefined || Number.isNaN(value) ? "–" : value.toFixed(digits);

/** The address of a film for a way of playing it: only the converter's knows no parts. */
export const address = (base, name, query = "") => `${base}/stream/${name}?part=1048576${query}`;

/** Opens the dev page. */
export async function openPage(browser, base) {
  const page = await browser.open(`${base}/`);
  await until("the page", () => page.evaluate("!!globalThis.trial"));
  return page;
}

export const closePage = (browser, page) =>
  browser.send("Target.closeTarget", { targetId: page.target.targetId });

/** ms by which beeps come after their flashes. */
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
    // How long it is may be known late.
    duration: states.at(-1).duration,
  };
}

/** Plays a film the plain way, which others are compared with. */
export const plainly = (stage, name) => once(stage, name, "plain");

/** Plays a film by an engine and gives what is wrong, in words. `offset` is by how much plain sound comes late. */
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
