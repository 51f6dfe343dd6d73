// When the controls are visible.

import { expect, test } from "vitest";
import { Presence } from "../../src/player/controls/presence";
import { FakeClock } from "../fake_clock";

function scene() {
  const clock = new FakeClock();
  const told: boolean[] = [];
  return { clock, told, presence: new Presence(clock, (shown) => told.push(shown)) };
}

test("the controls hide three seconds after the last movement", async () => {
  const { clock, presence, told } = scene();
  await clock.advance(2_900);
  presence.wake();
  await clock.advance(2_900);
  expect(presence.shown).toBe(true);
  await clock.advance(200);
  expect(presence.shown).toBe(false);
  presence.wake();
  expect(told).toEqual([false, true]);
});

test.each(["paused", "menu", "drag", "focus"] as const)(
  "the reason %s keeps the controls visible, and for three seconds after its end",
  async (reason) => {
    const { clock, presence } = scene();
    presence.hold(reason, true);
    await clock.advance(60_000);
    presence.rest();
    expect(presence.shown).toBe(true);
    presence.hold(reason, false);
    await clock.advance(2_900);
    expect(presence.shown).toBe(true);
    await clock.advance(200);
    expect(presence.shown).toBe(false);
  },
);

test("one of two reasons keeps the controls visible", async () => {
  const { clock, presence } = scene();
  presence.hold("menu", true);
  presence.hold("paused", true);
  presence.hold("menu", false);
  await clock.advance(10_000);
  expect(presence.shown).toBe(true);
});

test("removing a reason that does not apply has no effect", async () => {
  const { clock, presence } = scene();
  await clock.advance(5_000);
  presence.hold("focus", false);
  expect(presence.shown).toBe(false);
});
