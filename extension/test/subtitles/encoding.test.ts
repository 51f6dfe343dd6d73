// Recognizing the encoding of subtitle files.

import { expect, test } from "vitest";
import { decodeText } from "../../src/player/subtitles/encoding";
import { chance } from "../media/bytes";
import { encode, srtOf, TEXTS } from "./texts";

const LEGACY: [language: string, encoding: string][] = [
  ["de", "windows-1252"],
  ["fr", "windows-1252"],
  ["es", "windows-1252"],
  ["pl", "windows-1250"],
  ["cs", "windows-1250"],
  ["hu", "windows-1250"],
  ["ru", "windows-1251"],
  ["ru", "koi8-r"],
  ["uk", "windows-1251"],
  ["el", "windows-1253"],
  ["tr", "windows-1254"],
  ["he", "windows-1255"],
  ["ar", "windows-1256"],
  ["ja", "shift_jis"],
  ["ja", "euc-jp"],
  ["zh", "gb18030"],
  ["zh-TW", "big5"],
  ["ko", "euc-kr"],
];
const UNICODE: [language: string, encoding: string][] = [
  "en",
  "de",
  "ru",
  "ar",
  "ja",
  "ko",
].flatMap((language) =>
  ["utf-8", "utf-16le", "utf-16be"].map((encoding): [string, string] => [language, encoding]),
);

const decoded = async (bytes: Uint8Array) => (await decodeText(bytes))?.text;

test.each(LEGACY)("%s in %s", async (language, encoding) => {
  const text = srtOf(TEXTS[language]!);
  expect(await decoded(encode(text, encoding))).toBe(text);
});

test.each(UNICODE)("%s in %s, with a byte order mark and without", async (language, encoding) => {
  const text = srtOf(TEXTS[language]!);
  expect(await decoded(encode(text, encoding))).toBe(text);
  expect(await decoded(encode(`\ufeff${text}`, encoding))).toBe(text);
});

test("ASCII is UTF-8", async () => {
  expect(
    await decodeText(encode("1\n00:00:01,000 --> 00:00:02,000\nHello\n", "utf-8")),
  ).toMatchObject({ encoding: "utf-8" });
});

test("UTF-8 with a broken character stays UTF-8", async () => {
  for (const lines of [TEXTS["ru"]!, [...TEXTS["en"]!.slice(0, 4), "“It’s a café…”"]]) {
    const bytes = encode(srtOf(lines), "utf-8");
    bytes[bytes.findIndex((byte) => byte >= 0xc0) + 1] = 0x20;
    expect((await decodeText(bytes))?.encoding).toBe("utf-8");
  }
});

test.each(LEGACY.filter(([language]) => language !== "pl"))(
  "a few lines of %s in %s, among English ones",
  async (language, encoding) => {
    const text = srtOf([...TEXTS["en"]!.slice(0, 4), TEXTS[language]![4]!]);
    expect(await decoded(encode(text, encoding))).toBe(text);
  },
);

test("English with a few characters of Windows", async () => {
  // Quotes and dots as numbers, because Node's decoder confuses this encoding with another one.
  const bytes = encode(srtOf([...TEXTS["en"]!.slice(0, 4), "1It2s a café34"]), "utf-16le").filter(
    (_, at) => at % 2 === 0,
  );
  for (const [digit, byte] of [
    [0x31, 0x93],
    [0x32, 0x92],
    [0x33, 0x85],
    [0x34, 0x94],
  ] as const)
    bytes.forEach(
      (value, at) =>
        value === digit &&
        (bytes[at - 1] === 0x0a ||
          bytes[at + 1] === 0x73 ||
          bytes[at + 1] === 0x34 ||
          bytes[at - 1] === 0x85) &&
        (bytes[at] = byte),
    );
  expect((await decodeText(bytes))?.encoding).toBe("windows-1252");
});

test("files that are not text are recognized", async () => {
  const random = chance(1);
  expect(
    await decodeText(
      Uint8Array.from({ length: 5000 }, () => Math.floor(random() * 256) * Number(random() > 0.2)),
    ),
  ).toBeUndefined();
  expect(await decodeText(new Uint8Array(5000))).toBeUndefined();
});

test("any bytes give text or nothing", async () => {
  const random = chance(2);
  for (let count = 0; count < 200; count += 1) {
    const bytes = Uint8Array.from({ length: Math.floor(random() * 400) }, () =>
      Math.floor(random() * 256),
    );
    await expect(decodeText(bytes)).resolves.not.toThrow();
  }
});
