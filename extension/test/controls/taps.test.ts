// Single and double taps on the film.

import { expect, test } from "vitest";
import { Taps } from "../../src/player/controls/taps";
import { FakeClock } from "../fake_clock";

/** Taps at times (ms) and places, and their effects: `.` a single tap, `<` and `>` skips. */
function check(taps: [number, number][], done: string): void {
  const clock = new FakeClock();
  let said = "";
  const subject = new Taps(clock, {
    single: () => (said += "."),
    skip: (side) => (said += side < 0 ? "<" : ">"),
  });
  for (const [at, share] of taps) {
    clock.stall(at - clock.now());
    subject.tap(share);
  }
  expect(said).toBe(done);
}

test("one tap acts at once", () => check([[0, 0.1]], "."));
test("two taps at the right skip forwards", () =>
  check(
    [
      [0, 0.9],
      [250, 0.8],
    ],
    ".>",
  ));
test("two taps at the left skip back", () =>
  check(
    [
      [0, 0.1],
      [250, 0.2],
    ],
    ".<",
  ));
test("two slow taps are two single taps", () =>
  check(
    [
      [0, 0.9],
      [400, 0.9],
    ],
    "..",
  ));
test("further taps continue a skip, and may be slower", () =>
  check(
    [
      [0, 0.9],
      [250, 0.9],
      [900, 0.9],
      [1500, 0.9],
    ],
    ".>>>",
  ));
test("taps at different sides are single taps", () =>
  check(
    [
      [0, 0.1],
      [200, 0.9],
    ],
    "..",
  ));
test("taps in the middle are single taps", () =>
  check(
    [
      [0, 0.5],
      [200, 0.5],
      [400, 0.5],
    ],
    "...",
  ));
