// The countdown to the next episode.

import { expect, test } from "vitest";
import { Countdown } from "../../src/player/controls/next_card";
import { FakeClock } from "../fake_clock";

function scene() {
  const clock = new FakeClock();
  const said: (number | "done")[] = [];
  return {
    clock,
    said,
    countdown: new Countdown(
      clock,
      (left) => said.push(left),
      () => said.push("done"),
    ),
  };
}

test("each second is reported, the first at once, and the end is reported once", async () => {
  const { clock, said, countdown } = scene();
  countdown.start(3);
  expect(said).toEqual([3]);
  await clock.advance(10_000);
  expect(said).toEqual([3, 2, 1, "done"]);
  expect(clock.pending).toBe(0);
});

test("a stopped countdown reports nothing more", async () => {
  const { clock, said, countdown } = scene();
  countdown.start(3);
  await clock.advance(1_500);
  countdown.stop();
  await clock.advance(10_000);
  expect(said).toEqual([3, 2]);
});

test("late timers don’t lengthen the countdown", async () => {
  const { clock, said, countdown } = scene();
  countdown.start(10);
  clock.stall(8_400);
  await clock.advance(0);
  expect(said).toEqual([10, 2]);
  await clock.advance(1_600);
  expect(said).toEqual([10, 2, 1, "done"]);
});

test("a second start restarts the countdown", async () => {
  const { clock, said, countdown } = scene();
  countdown.start(5);
  await clock.advance(4_000);
  countdown.start(2);
  await clock.advance(2_000);
  expect(said).toEqual([5, 4, 3, 2, 1, 2, 1, "done"]);
});
