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
test("two at the right skip forwards", () =>
  check(
    [
      [0, 0.9],
      [250, 0.8],
    ],
    ".>",
  ));
test("two at the left skip back", () =>
  check(
    [
      [0, 0.1],
      [250, 0.2],
    ],
    ".<",
  ));
test("two slow ones are two", () =>
  check(
    [
      [0, 0.9],
      [400, 0.9],
    ],
    "..",
  ));
test("further ones go on, and may be slower", () =>
  check(
    [
      [0, 0.9],
      [250, 0.9],
      [900, 0.9],
      [1500, 0.9],
    ],
    ".>>>",
  ));
test("two at different sides are two", () =>
  check(
    [
      [0, 0.1],
      [200, 0.9],
    ],
    "..",
  ));
test("two in the middle are two", () =>
  check(
    [
      [0, 0.5],
      [200, 0.5],
      [400, 0.5],
    ],
    "...",
  ));
