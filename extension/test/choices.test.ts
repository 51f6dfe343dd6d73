// The stored choices of subtitles and sound for a torrent.

import { expect, test } from "vitest";
import { audioOf, subtitlesOf, withAudio, withSubtitles } from "../src/player/choices";

test("a choice of subtitles survives storing and reading", () => {
  for (const preference of [
    "off",
    { language: "de", forced: true, title: "Songs" },
    { language: undefined, forced: false, title: undefined },
  ] as const) {
    expect(subtitlesOf(withSubtitles({ audio: "en" }, preference))).toEqual(preference);
  }
});

test("a title that is too long is left out, and an unreadable choice is ignored", () => {
  expect(
    subtitlesOf(withSubtitles({}, { language: "de", forced: false, title: "x".repeat(200) })),
  ).toEqual({
    language: "de",
    forced: false,
    title: undefined,
  });
  for (const subtitles of ["", "{", "7", "null", "[]"])
    expect(subtitlesOf({ subtitles })).toEqual(
      subtitles === "[]" ? { language: undefined, forced: false, title: undefined } : undefined,
    );
  expect(subtitlesOf({})).toBeUndefined();
});

test("sound is chosen by its language, or by its name if it has no language", () => {
  const tracks = [
    { language: "en", title: "Stereo" },
    { language: "de", title: undefined },
    { language: undefined, title: "Comments" },
  ];
  expect(audioOf(withAudio({}, { language: "de", label: "" }), tracks)).toBe(tracks[1]);
  expect(audioOf(withAudio({}, { language: "", label: "Comments" }), tracks)).toBe(tracks[2]);
  expect(audioOf({ audio: "fr" }, tracks)).toBeUndefined();
  expect(audioOf({}, tracks)).toBeUndefined();
});
