// Makes films with subtitles of every kind, and subtitle files, for the scenes.
//
// Each subtitle is shown for the first three of its four seconds: number 5 is shown from
// 20 s to 23 s.

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { film, made } from "./films.mjs";
import { sup } from "./sup.mjs";

const LENGTH = 60;
const COUNT = LENGTH / 4;
const numbers = Array.from({ length: COUNT }, (_, i) => i);
const clock = (s, point) => new Date(s * 1000).toISOString().slice(11, 23).replace(".", point);

const srt = (line) =>
  numbers
    .map((i) => `${i + 1}\n${clock(i * 4, ",")} --> ${clock(i * 4 + 3, ",")}\n${line(i)}\n`)
    .join("\n");
/** Three kinds of lines in turn: at the bottom, in italics, and moved to the top by a tag. */
const lines = () =>
  srt((i) =>
    i % 3 === 0
      ? `Line ${i}`
      : i % 3 === 1
        ? `<i>Line ${i}</i>, and <b>bold</b>`
        : `{\\an8}Line ${i}`,
  );

/** Places of the styled boxes, on a picture of 1280 × 720. */
export const STYLED = {
  width: 1280,
  height: 720,
  box: (i) => ({ x: 100 + (i % 5) * 150, y: 80, width: 140, height: 60 }),
};
/** The fields of the only style: yellow text with a black outline. */
const STYLE = [
  ["Name", "Default"],
  ["Fontname", "DejaVu Sans"],
  ["Fontsize", 48],
  ["PrimaryColour", "&H0000FFFF"],
  ["OutlineColour", "&H00000000"],
  ["ScaleX", 100],
  ["ScaleY", 100],
  ["BorderStyle", 1],
  ["Outline", 3],
  ["Shadow", 0],
  ["Alignment", 2],
  ["MarginL", 20],
  ["MarginR", 20],
  ["MarginV", 40],
  ["Encoding", 1],
];
const head = `[Script Info]
ScriptType: v4.00+
PlayResX: ${STYLED.width}
PlayResY: ${STYLED.height}
ScaledBorderAndShadow: yes

[V4+ Styles]
Format: ${STYLE.map(([field]) => field).join(", ")}
Style: ${STYLE.map(([, value]) => value).join(",")}

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
`;
const ass = (text) =>
  head +
  numbers
    .map((i) => {
      const times = `${clock(i * 4, ".").slice(1, 11)},${clock(i * 4 + 3, ".").slice(1, 11)}`;
      const { x, y, width, height } = STYLED.box(i);
      // Blue, in ASS's byte order.
      const look = `{\\an7\\pos(${x},${y})\\p1\\bord0\\shad0\\1c&HFF0000&}`;
      const box = `m 0 0 l ${width} 0 ${width} ${height} 0 ${height}`;
      return [look + box, text(i)]
        .map((event, layer) => `Dialogue: ${layer},${times},Default,,0,0,0,,${event}\n`)
        .join("");
    })
    .join("");

/** Places of the PGS boxes on an HD plane, red and green in turn. */
export const PICTURES = {
  width: 1920,
  height: 1080,
  box: (i) => ({ x: 200 + (i % 5) * 300, y: 900, width: 280, height: 80 }),
};
const RED = [63, 240, 102, 255];
const GREEN = [173, 26, 42, 255];
const pictures = () =>
  sup(
    PICTURES,
    numbers.map((i) => ({
      start: i * 4,
      end: i * 4 + 3,
      ...PICTURES.box(i),
      colour: i % 2 ? GREEN : RED,
    })),
  );

const file = (name, content) => made(name, (path) => writeFileSync(path, content));
const font = () => execFileSync("fc-match", ["-f", "%{file}", "DejaVu Sans"], { encoding: "utf8" });

/** A Matroska film with SRT, ASS and PGS tracks, and a font. */
export function subtitled(video = "h264") {
  const texts = [
    file("in.srt", lines()),
    file(
      "in.ass",
      ass((i) => `Styled ${i}`),
    ),
    file("in.sup", pictures()),
  ];
  return made(`subtitled-${video === "h264" ? "" : `${video}-`}${LENGTH}.mkv`, (path) =>
    execFileSync("ffmpeg", [
      "-v",
      "error",
      "-y",
      "-i",
      film(video, "aac", "mkv", LENGTH),
      ...texts.flatMap((text) => ["-i", text]),
      "-map",
      "0",
      "-map",
      "1",
      "-map",
      "2",
      "-map",
      "3",
      "-c",
      "copy",
      "-metadata:s:s:0",
      "language=eng",
      "-metadata:s:s:1",
      "language=ger",
      "-metadata:s:s:1",
      "title=Signs",
      "-metadata:s:s:2",
      "language=fre",
      "-attach",
      font(),
      "-metadata:s:t:0",
      "mimetype=font/ttf",
      path,
    ]),
  );
}

/** A film with a line from 1 s to 31 s among short ones. */
export function longLine() {
  const text = file(
    "long-line.srt",
    `1\n00:00:01,000 --> 00:00:31,000\nLong\n\n${srt((i) => `Short ${i}`)}`,
  );
  return made("long-line.mkv", (path) =>
    execFileSync("ffmpeg", [
      "-v",
      "error",
      "-y",
      "-i",
      film("h264", "aac", "mkv", LENGTH),
      "-i",
      text,
      "-map",
      "0",
      "-map",
      "1",
      "-c",
      "copy",
      path,
    ]),
  );
}

/** A film that the `<video>` plays by itself. */
export const bare = () => film("h264", "aac", "mp4", LENGTH);
/** Encodes Cyrillic letters in windows-1251. */
const windows1251 = (text) =>
  Buffer.from(
    [...text].map((letter) =>
      letter.charCodeAt(0) >= 0x410 ? letter.charCodeAt(0) - 0x350 : letter.charCodeAt(0),
    ),
  );
/** The subtitle files beside `bare`, also files that can't be read. */
export const beside = () => [
  file(
    "beside.ru.srt",
    windows1251(
      srt((i) => `Где мы находимся сегодня, ${i}? Я не знаю, когда мы вернёмся`.replace("ё", "е")),
    ),
  ),
  file(
    "beside.en.vtt",
    `WEBVTT\n\n${srt((i) => `Voice ${i} &amp; <v Ann>Ann`)
      .replaceAll(",", ".")
      .replaceAll(/(-->.*)/g, "$1 line:0")}`,
  ),
  file(
    "beside.de.ass",
    ass((i) => `Beside ${i}`),
  ),
  file(
    "beside.ka.ass",
    ass((i) => `გამარჯობა ${i}`),
  ),
  file("beside.fr.sup", pictures()),
  file("beside.es.sub", "{1}{1}25\n{0}{75}Uno\n"),
  file("beside.it.srt", "<html><body>Not found</body></html>"),
];
