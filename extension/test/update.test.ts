// When an update of the extension is installed.

import { expect, test } from "vitest";
import { LOOK_MS, QUIET_MS, Update } from "../src/extension/update";
import { FakeClock } from "./fake_clock";

function rig({ pages = false, serving = false } = {}) {
  const clock = new FakeClock();
  const it = { pages, serving, restarts: 0, looks: 0 };
  const update = new Update(clock, {
    hasPages: () => it.pages,
    isServing: () => {
      it.looks += 1;
      return it.serving;
    },
    restart: () => (it.restarts += 1),
  });
  const beat = () => {
    update.beat();
    clock.after(500, beat);
  };
  beat();
  return { clock, update, it };
}

test("without an update nothing is checked or restarted", async () => {
  const { clock, it } = rig();
  await clock.advance(600_000);
  expect([it.looks, it.restarts]).toEqual([0, 0]);
});

test("an update is installed after a quiet while", async () => {
  const { clock, update, it } = rig();
  update.isReady = true;
  await clock.advance(QUIET_MS - LOOK_MS);
  expect(it.restarts).toBe(0);
  await clock.advance(2 * LOOK_MS);
  expect(it.restarts).toBe(1);
});

test.each(["pages", "serving"] as const)(
  "an update waits as long as “%s” is true, and for a quiet while afterwards",
  async (what) => {
    const { clock, update, it } = rig({ [what]: true });
    update.isReady = true;
    await clock.advance(3_600_000);
    expect(it.restarts).toBe(0);
    it[what] = false;
    await clock.advance(QUIET_MS - LOOK_MS);
    expect(it.restarts).toBe(0);
    await clock.advance(2 * LOOK_MS);
    expect(it.restarts).toBe(1);
  },
);

test("a read in between restarts the wait", async () => {
  const { clock, update, it } = rig();
  update.isReady = true;
  for (let turn = 0; turn < 20; turn++) {
    it.serving = turn % 2 === 0;
    await clock.advance(LOOK_MS);
  }
  expect(it.restarts).toBe(0);
});
