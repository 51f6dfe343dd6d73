// The controls' words for times, tracks and delays.

import { expect, test } from "vitest";
import {
  delaySentence,
  delayValue,
  placeValue,
  spokenTime,
  trackName,
} from "../../src/player/controls/words";

test("times in words leave out zeros", () => {
  expect(spokenTime(0)).toBe("0 seconds");
  expect(spokenTime(723)).toBe("12 minutes 3 seconds");
  expect(spokenTime(3661)).toBe("1 hour 1 minute 1 second");
  expect(spokenTime(7200)).toBe("2 hours");
});

test("the position is spoken with the duration, if there is one", () => {
  expect(placeValue(723, 3720)).toBe("12 minutes 3 seconds of 1 hour 2 minutes");
  expect(placeValue(60, Infinity)).toBe("1 minute");
});

test("a track is called by its name, its language or its number", () => {
  const name = (label: string, language: string) => trackName({ id: "1", label, language }, 1);
  expect(name("", "de")).toBe("German");
  expect(name("", "ger")).toBe("German");
  expect(name("Commentary", "eng")).toBe("Commentary · English");
  expect(name("English (forced)", "en")).toBe("English (forced)");
  expect(name("", "")).toBe("Track 2");
  expect(name("", "und")).toBe("Track 2");
  expect(name("", "not a language!")).toBe("Track 2");
});

test("delays say their direction", () => {
  expect([delayValue(0.5), delayValue(-1.25), delayValue(0.0001)]).toEqual([
    "+0.5 s",
    "−1.3 s",
    "0 s",
  ]);
  expect(delaySentence(-0.5)).toBe("Subtitles 0.5 seconds earlier");
});
