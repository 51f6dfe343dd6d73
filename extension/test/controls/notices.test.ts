// What the controls show and speak after a change.

import { expect, test } from "vitest";
import type { MediaState } from "../../src/player/controls/media_state";
import { NO_FILM } from "../../src/player/controls/model";
import { Notices } from "../../src/player/controls/notices";
import { FakeClock } from "../fake_clock";

const state = (part: Partial<MediaState> = {}) =>
  ({ volume: 1, muted: false, rate: 1, ...part }) as MediaState;

function scene() {
  const clock = new FakeClock();
  return { clock, notices: new Notices(clock, () => {}) };
}

test("a change that was not requested is neither shown nor spoken", () => {
  const { notices } = scene();
  notices.handleMedia(state(), state({ rate: 2, volume: 0.5 }));
  notices.handleModel(
    NO_FILM,
    { ...NO_FILM, subtitles: { ...NO_FILM.subtitles, delayS: 1 } },
    state(),
  );
  expect([notices.flash, notices.spoken]).toEqual([undefined, ""]);
});

test("a requested change is announced once, when it has happened", () => {
  const { notices } = scene();
  notices.expect("rate");
  notices.handleMedia(state(), state());
  expect(notices.spoken).toBe("");
  notices.handleMedia(state(), state({ rate: 1.5 }));
  expect([notices.flash?.words, notices.spoken]).toEqual(["Speed 1.5×", "Speed 1.5×"]);
  notices.handleMedia(state({ rate: 1.5 }), state());
  expect(notices.spoken).toBe("Speed 1.5×");
});

test("a request for another film is not announced", () => {
  const { notices } = scene();
  notices.expect("delay");
  notices.forget();
  notices.handleModel(
    NO_FILM,
    { ...NO_FILM, subtitles: { ...NO_FILM.subtitles, delayS: 1 } },
    state(),
  );
  expect(notices.spoken).toBe("");
});

test("a volume is shown, and only a mute is spoken", () => {
  const { notices } = scene();
  notices.expect("volume");
  notices.handleMedia(state(), state({ volume: 0.95 }));
  expect([notices.flash?.words, notices.spoken]).toEqual(["Volume 95%", ""]);
  notices.expect("volume");
  notices.handleMedia(state(), state({ muted: true }));
  expect([notices.flash?.words, notices.spoken]).toEqual(["Muted", "Muted"]);
});

test("quick skips add up, and a skip in the other direction starts anew", async () => {
  const { clock, notices } = scene();
  for (const seconds of [10, 10]) notices.showSkip(seconds);
  expect([notices.flash?.words, notices.flash?.side]).toEqual(["+20 s", 1]);
  notices.showSkip(-5);
  expect([notices.flash?.words, notices.flash?.side]).toEqual(["−5 s", -1]);
  await clock.advance(1_000);
  expect(notices.flash).toBeUndefined();
  notices.showSkip(-5);
  expect(notices.flash?.words).toBe("−5 s");
});

test("words that are announced twice are spoken twice", () => {
  const { notices } = scene();
  for (let time = 0; time < 2; time++) {
    notices.expect("rate");
    notices.handleMedia(state({ rate: 2 }), state());
  }
  expect(notices.spoken).toBe("Normal speed\u00a0");
});
