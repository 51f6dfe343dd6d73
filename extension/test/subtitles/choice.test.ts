// The subtitles to begin with, the languages of tracks, and the cues at a time.

import { describe, expect, test } from "vitest";
import { type Choosable, pick, preferenceOf } from "../../src/player/subtitles/choice";
import { CueList } from "../../src/player/subtitles/cues";
import { baseLanguage, factsOfName, languageName } from "../../src/player/subtitles/language";

const track = (
  id: string,
  language: string | undefined,
  more: Partial<Choosable> = {},
): Choosable => ({
  id,
  language,
  title: undefined,
  forced: false,
  isDefault: false,
  ...more,
});
const FILM = [
  track("en", "eng", { isDefault: true }),
  track("en-sdh", "en", { title: "SDH" }),
  track("de-forced", "ger", { forced: true }),
  track("de", "de-DE"),
  track("de-sdh", "deu", { title: "SDH" }),
  track("pt", "pt-BR"),
];

describe("the track to begin with", () => {
  const check = (
    preference: Parameters<typeof pick>[0],
    wanted: string | undefined,
    tracks = FILM,
    languages = ["de-AT", "en"],
  ) => expect(pick(preference, tracks, languages)).toBe(wanted);
  test("is none if the user wanted none", () => check("off", undefined));
  test("has the preferred language, whatever its code", () => {
    check({ language: "de", forced: false, title: undefined }, "de");
    check({ language: "en", forced: false, title: undefined }, "en");
    check({ language: "pt", forced: false, title: undefined }, "pt");
  });
  test("has the preferred title, if there is one", () => {
    check({ language: "de", forced: false, title: "SDH" }, "de-sdh");
    check({ language: "de", forced: false, title: "Director" }, "de");
  });
  test("is a forced track only if that was preferred", () => {
    check({ language: "de", forced: true, title: undefined }, "de-forced");
    check({ language: "en", forced: true, title: undefined }, undefined);
    check({ language: "de", forced: false, title: undefined }, undefined, [FILM[2]!]);
  });
  test("is none if the language is missing, unless the only track's language is unknown", () => {
    check({ language: "fr", forced: false, title: undefined }, undefined);
    check({ language: "fr", forced: false, title: undefined }, "only", [track("only", undefined)]);
  });
  test("without preference is a forced track in the user's language, or else the only one", () => {
    check(undefined, "de-forced");
    check(undefined, undefined, FILM, ["fr"]);
    check(undefined, "x", [track("x", "ja", { forced: true, isDefault: true })], ["fr"]);
    check(undefined, undefined, [track("x", "ja", { isDefault: true })], ["ja"]);
  });
  test("is found again by its stored preference", () => {
    for (const one of FILM)
      expect(pick(JSON.parse(JSON.stringify(preferenceOf(one))), FILM, [])).toBe(one.id);
    expect(preferenceOf(undefined)).toBe("off");
  });
});

describe("languages", () => {
  test.each([
    ["ger", "de"],
    ["deu", "de"],
    ["de_AT", "de"],
    ["EN", "en"],
    ["und", undefined],
    ["", undefined],
    ["not a language", undefined],
  ])("%s is %s", (code, base) => expect(baseLanguage(code)).toBe(base));
  test("have readable names", () => {
    expect(languageName("ger", "en")).toBe("German");
    expect(languageName("fre", "de-DE")).toBe("Französisch");
    expect(languageName("pt-BR", "en")).toBe("Brazilian Portuguese");
    expect(languageName("fr", "fr")).toBe("Français");
    expect(languageName("xyz", "en")).toBeUndefined();
  });
  test.each([
    ["Film.2019.en.srt", "en", undefined, false],
    ["Film.eng.forced.srt", "en", undefined, true],
    ["Subs/2_English.srt", "en", undefined, false],
    ["Film (German SDH).ass", "de", "SDH", false],
    ["Film.pt-BR.srt", "pt-BR", undefined, false],
    ["Film.de.cc.vtt", "de", "CC", false],
    ["Film.srt", undefined, undefined, false],
    ["It is what it does.srt", undefined, undefined, false],
    ["Film.1080p.WEB.x264.srt", undefined, undefined, false],
  ])("%s", (name, language, title, forced) =>
    expect(factsOfName(name)).toEqual({ language, title, forced }),
  );
});

describe("a list of cues", () => {
  const list = (...cues: [start: number, end: number | undefined][]) => {
    const made = new CueList<{ start: number; end: number | undefined; name: string }>();
    for (const [start, end] of cues)
      made.add(`${start}-${end}`, { start, end, name: `${start}-${end}` });
    return (time: number) => made.at(time).map(({ name }) => name);
  };
  test("shows each from its beginning to just before its end", () => {
    const at = list([1, 2], [2, 3]);
    expect([0.99, 1, 1.99, 2, 3].map(at)).toEqual([[], ["1-2"], ["1-2"], ["2-3"], []]);
  });
  test("shows a long cue below many short ones, in any order of arrival", () => {
    const at = list([5, 6], [3, 4], [0, 100], [50, 51]);
    expect(at(50.5)).toEqual(["0-100", "50-51"]);
    expect(at(5.5)).toEqual(["0-100", "5-6"]);
  });
  test("ends a cue without an end at the next one, and after seven seconds at most", () => {
    const at = list([0, undefined], [3, undefined], [20, 21]);
    expect([2.9, 3, 9.9, 10, 20].map(at)).toEqual([
      ["0-undefined"],
      ["3-undefined"],
      ["3-undefined"],
      [],
      ["20-21"],
    ]);
  });
  test("keeps each once", () => {
    const made = new CueList();
    expect([
      made.add("a", { start: 0, end: 1 }),
      made.add("a", { start: 0, end: 1 }),
      made.items.length,
    ]).toEqual([true, false, 1]);
  });
  test("agrees with a search of every cue", () => {
    const cues = Array.from({ length: 300 }, (_, i): [number, number] => [
      (i * 37) % 101,
      ((i * 37) % 101) + 1 + ((i * 13) % 29),
    ]);
    const at = list(...cues);
    for (let time = 0; time < 130; time += 0.5)
      expect(new Set(at(time))).toEqual(
        new Set(
          cues
            .filter(([start, end]) => start <= time && time < end)
            .map(([start, end]) => `${start}-${end}`),
        ),
      );
  });
});
