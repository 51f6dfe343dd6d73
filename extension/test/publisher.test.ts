// How often the worker sends updates to pages.

import { expect, test } from "vitest";
import {
  ALIVE_MS,
  type Audience,
  BUNCH_MS,
  HIDDEN_PACE_MS,
  PACE_MS,
  Publisher,
  UNWATCHED_PACE_MS,
} from "../src/extension/publisher";
import { SILENCE_MS } from "../src/host/extension";
import { FakeClock } from "./fake_clock";

/** A publisher whose updates take `costMs` to compute. `beat` is called twice a second. */
function rig(costMs = 0) {
  const clock = new FakeClock();
  const told: number[] = [];
  const spoke: number[] = [];
  const it = { audience: "visible" as Audience, costMs };
  const publisher = new Publisher(clock, {
    audience: () => it.audience,
    tell: () => {
      told.push(clock.now());
      clock.stall(it.costMs);
      spoke.push(clock.now());
    },
    live: () => void spoke.push(clock.now()),
  });
  const beat = () => {
    publisher.beat();
    clock.after(500, beat);
  };
  beat();
  return {
    ...it,
    set: (audience: typeof it.audience) => (it.audience = audience),
    clock,
    told,
    spoke,
    publisher,
  };
}

/** The longest time between two moments, in ms. */
const longest = (moments: number[]) =>
  Math.max(...moments.slice(1).map((at, index) => at - moments[index]!));

test("changes are sent soon, together, and then twice a second", async () => {
  const { clock, told, publisher } = rig();
  publisher.changed();
  publisher.changed();
  await clock.advance(BUNCH_MS + 2 * PACE_MS);
  expect(told).toEqual([BUNCH_MS, BUNCH_MS + PACE_MS, BUNCH_MS + 2 * PACE_MS]);
});

test.each([300, 450, 1_000])(
  "updates that take %i ms are sent seldom, and no page takes the engine for gone meanwhile",
  async (costMs) => {
    const { clock, told, spoke, publisher } = rig(costMs);
    publisher.wanted();
    for (let turn = 0; turn < 600; turn++) {
      publisher.changed();
      await clock.advance(50);
    }
    expect(told.length).toBeGreaterThan(1);
    expect(Math.min(...told.slice(1).map((at, index) => at - told[index]!))).toBeGreaterThanOrEqual(
      11 * costMs,
    );
    expect(longest(spoke)).toBeLessThan(SILENCE_MS);
  },
);

test("a waiting page does not wait for the long pause", async () => {
  const { clock, told, publisher } = rig(400);
  publisher.wanted();
  await clock.advance(0);
  publisher.wanted();
  await clock.advance(400);
  expect(told).toEqual([0, 800]);
});

test("without pages nothing is sent, and background pages get updates less often", async () => {
  const { clock, told, spoke, publisher, set } = rig();
  set("none");
  publisher.changed();
  await clock.advance(10_000);
  expect(told).toEqual([]);
  const unheard = spoke.length;
  set("hidden");
  publisher.wanted();
  await clock.advance(2 * HIDDEN_PACE_MS);
  expect(told).toEqual([10_000, 10_000 + HIDDEN_PACE_MS, 10_000 + 2 * HIDDEN_PACE_MS]);
  expect(longest(spoke.slice(unheard))).toBeLessThanOrEqual(ALIVE_MS + 500);
});

test("a notification without a page gets only changes", async () => {
  const { clock, told, publisher, set } = rig();
  set("waiting");
  publisher.changed();
  publisher.changed();
  await clock.advance(10_000);
  expect(told).toEqual([UNWATCHED_PACE_MS]);
  publisher.changed();
  await clock.advance(UNWATCHED_PACE_MS);
  expect(told).toHaveLength(2);
});

test("after an error, the next updates are sent", async () => {
  const clock = new FakeClock();
  let tries = 0;
  const publisher = new Publisher(clock, {
    audience: () => "visible",
    tell: () => {
      tries += 1;
      if (tries === 1) throw new Error("broken");
    },
    live: () => {},
  });
  publisher.wanted();
  await expect(clock.advance(1)).rejects.toThrow("broken");
  await clock.advance(PACE_MS);
  expect(tries).toBe(2);
});
