// Reading subtitle files: SRT, WebVTT, SSA and ASS as text, and hostile ones.

import { describe, expect, test } from "vitest";
import type { TextCue } from "../../src/player/subtitles/cues";
import { readBytes, readFile } from "../../src/player/subtitles/files";
import { parseSrt, parseVtt } from "../../src/player/subtitles/srt";
import { parseAss } from "../../src/player/subtitles/ass_script";
import { size } from "../../src/text/format";
import { t } from "../../src/text/messages";

/** A cue as a line such as `1-2 @8 [b]text[/]`. The place follows `@` if it is not 2. */
function brief({ start, end, place, spans }: TextCue): string {
  const text = spans
    .map((span) => {
      const tags = [span.bold && "b", span.italic && "i", span.underline && "u", span.colour]
        .filter(Boolean)
        .join("");
      return tags ? `[${tags}]${span.text}[/]` : span.text;
    })
    .join("");
  return `${start}-${end}${place === 2 ? "" : ` @${place}`} ${text.replaceAll("\n", "|")}`;
}
const srt = (text: string) => parseSrt(text).map(brief);
const vtt = (text: string) => parseVtt(text).map(brief);
const ass = (text: string) => parseAss(text).map(brief);

const PLAIN =
  "1\n00:00:01,000 --> 00:00:02,500\nOne\n\n2\n00:00:03,000 --> 00:00:04,000\nTwo\nlines\n";
const PLAIN_CUES = ["1-2.5 One", "3-4 Two|lines"];

describe("SRT", () => {
  const cases: [name: string, text: string, cues: string[]][] = [
    ["an ordinary one", PLAIN, PLAIN_CUES],
    ["Windows' line ends", PLAIN.replaceAll("\n", "\r\n"), PLAIN_CUES],
    ["line ends doubled by a transfer", PLAIN.replaceAll("\n", "\r\r\n"), PLAIN_CUES],
    ["old Mac line ends", PLAIN.replaceAll("\n", "\r"), PLAIN_CUES],
    ["a byte order mark", `\ufeff${PLAIN}`, PLAIN_CUES],
    ["points in place of commas", PLAIN.replaceAll(/(\d),(\d)/g, "$1.$2"), PLAIN_CUES],
    ["no hours", PLAIN.replaceAll("00:00:0", "00:0"), PLAIN_CUES],
    ["no numbers", PLAIN.replaceAll(/^\d\n/gm, ""), PLAIN_CUES],
    ["a number that is missing", PLAIN.replace("2\n00", "00"), PLAIN_CUES],
    [
      "numbers that begin at zero and have spaces",
      PLAIN.replace("1\n00", " 0 \n00").replace("2\n00", " 1\t\n00"),
      PLAIN_CUES,
    ],
    ["no blank line between cues", PLAIN.replace("\n\n", "\n"), PLAIN_CUES],
    ["a blank line inside a cue", PLAIN.replace("Two\n", "Two\n\n"), PLAIN_CUES],
    ["many blank lines", PLAIN.replace("\n\n", "\n\n\n \n\n"), PLAIN_CUES],
    ["coordinates", PLAIN.replaceAll(/(--> \S+)/g, "$1  X1:117 X2:619 Y1:042 Y2:428"), PLAIN_CUES],
    ["spaces left out, a short arrow", PLAIN.replaceAll(" --> ", "->"), PLAIN_CUES],
    [
      "a cue in the hundredth hour",
      "1\n100:00:01,000 --> 100:00:02,000\nLate\n",
      ["360001-360002 Late"],
    ],
    ["one digit each", "1\n0:0:1,5 --> 0:0:2\nShort\n", ["1.5-2 Short"]],
    [
      "a cue that says a number",
      "1\n00:00:01,000 --> 00:00:02,000\n1984\n\n2\n00:00:03,000 --> 00:00:04,000\n7\n",
      ["1-2 1984", "3-4 7"],
    ],
    [
      "a number said without numbers",
      "00:00:01,000 --> 00:00:02,000\n1984\n\n00:00:03,000 --> 00:00:04,000\nB\n",
      ["1-2 1984", "3-4 B"],
    ],
    ["numbers that don't follow each other", PLAIN.replace("2\n00", "17\n00"), PLAIN_CUES],
    [
      "no numbers, and a number above the times",
      `00:00:01,000 --> 00:00:02,000
1984
00:00:03,000 --> 00:00:04,000
A

00:00:05,000 --> 00:00:06,000
B`,
      ["1-2 1984", "3-4 A", "5-6 B"],
    ],
    [
      "cues without text",
      "1\n00:00:01,000 --> 00:00:02,000\n\n2\n00:00:03,000 --> 00:00:04,000\nB\n",
      ["3-4 B"],
    ],
    [
      "a cue that ends before it begins",
      "1\n00:00:05,000 --> 00:00:02,000\nA\n\n2\n00:00:06,000 --> 00:00:07,000\nB",
      ["6-7 B"],
    ],
    [
      "a broken line of times",
      "1\n00:00:0x,000 --> 00:00:02,000\nA\n\n2\n00:00:06,000 --> 00:00:07,000\nB",
      ["6-7 B"],
    ],
    [
      "markup",
      '1\n00:00:01,000 --> 00:00:02,000\n<i>a</i> <B>b</B>\n<u>c</u><font color="#FF0000">d</font>',
      ["1-2 [i]a[/] [b]b[/]|[u]c[/][#ff0000]d[/]"],
    ],
    [
      "markup that isn't closed",
      "1\n00:00:01,000 --> 00:00:02,000\n<i>a<b>b",
      ["1-2 [i]a[/][bi]b[/]"],
    ],
    [
      "what only looks like markup",
      "1\n00:00:01,000 --> 00:00:02,000\nI <3 you, x < y > z & <script>alert(1)</script>",
      ["1-2 I <3 you, x < y > z & <script>alert(1)</script>"],
    ],
    [
      "entities",
      "1\n00:00:01,000 --> 00:00:02,000\nA &amp; B &lt;b&gt; &#233; &unknown;",
      ["1-2 A & B <b> é &unknown;"],
    ],
    [
      "places and other tags of ASS",
      `1
00:00:01,000 --> 00:00:02,000
{\\an8}Up{\\fs20}\\Nthere {sic}

2
00:00:01,000 --> 00:00:02,000
{\\a6}Old`,
      ["1-2 @8 Up|there {sic}", "1-2 @8 Old"],
    ],
    [
      "a path in a text",
      "1\n00:00:01,000 --> 00:00:02,000\nC:\\new\\names",
      ["1-2 C:\\new\\names"],
    ],
  ];
  test.each(cases)("%s", (_name, text, cues) => expect(srt(text)).toEqual(cues));
});

describe("WebVTT", () => {
  const head = "WEBVTT\n\n";
  const cases: [name: string, text: string, cues: string[]][] = [
    [
      "an ordinary one",
      `${head}00:01.000 --> 00:02.500\nOne\n\nid\n00:00:03.000 --> 00:00:04.000\nTwo\nlines\n`,
      PLAIN_CUES,
    ],
    [
      "a title, notes, styles, regions",
      `WEBVTT - Title
Kind: captions

STYLE
::cue { color: red }

REGION
id:a

NOTE
not --> this
00:00:08.000 --> 00:00:09.000
nor this

00:01.000 --> 00:02.000
A`,
      ["1-2 A"],
    ],
    [
      "a blank line ends a cue",
      `${head}00:01.000 --> 00:02.000\nA\n\nB\n\n00:03.000 --> 00:04.000\nC`,
      ["1-2 A", "3-4 C"],
    ],
    [
      "settings",
      `${head}00:01.000 --> 00:02.000 line:0 align:start position:10%
A

00:01.000 --> 00:02.000 line:50%
B

00:01.000 --> 00:02.000 line:90% align:end
C

00:01.000 --> 00:02.000 line:-2
D`,
      ["1-2 @7 A", "1-2 @5 B", "1-2 @3 C", "1-2 D"],
    ],
    [
      "voices, classes, ruby, times inside",
      `${head}00:01.000 --> 00:02.000
<v.loud Mary Ann>Hi <c.yellow>there</c> <00:01.500><ruby>漢<rt>kan</rt></ruby>&nbsp;&lrm;x`,
      ["1-2 Hi there 漢\u00a0\u200ex"],
    ],
    ["commas, as SRT has them", `${head}00:00:01,000 --> 00:00:02,000\nA`, ["1-2 A"]],
    [
      "a cue directly after another",
      `${head}00:01.000 --> 00:02.000\nA\n00:03.000 --> 00:04.000\nB`,
      ["1-2 A", "3-4 B"],
    ],
    [
      "Windows' line ends",
      `${head}00:01.000 --> 00:02.000\nA\n\n00:03.000 --> 00:04.000\nB\n`.replaceAll("\n", "\r\n"),
      ["1-2 A", "3-4 B"],
    ],
  ];
  test.each(cases)("%s", (_name, text, cues) => expect(vtt(text)).toEqual(cues));
});

describe("ASS as plain text", () => {
  const script = (events: string, styles = "") =>
    `[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Alignment
Style: Default,Arial,2
Style: Top,Arial,8
${styles}
[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
${events}`;
  const line = (text: string, style = "Default", start = "0:00:01.00", end = "0:00:02.50") =>
    `Dialogue: 0,${start},${end},${style},,0,0,0,,${text}\n`;
  test("lines with their commas, places and tags", () => {
    expect(
      ass(
        script(
          line("One, two, {\\b1\\fs30}three{\\b0}\\Nfour") +
            line("Up", "Top") +
            line("{\\an4\\pos(1,2)}Left"),
        ),
      ),
    ).toEqual(["1-2.5 One, two, [b]three[/]|four", "1-2.5 @8 Up", "1-2.5 @4 Left"]);
  });
  test("drawings and comments are left out", () => {
    const events = [
      "Comment: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,Not me\n",
      line("{\\p1}m 0 0 l 10 0{\\p0}Text {a note}here"),
      line("{\\p1}m 0 0"),
    ];
    expect(ass(script(events.join("")))).toEqual(["1-2.5 Text here"]);
  });
  test("are in the order of their times, whatever the file's order", () => {
    expect(ass(script(line("B", "Default", "1:00:00.00", "1:00:01.00") + line("A")))).toEqual([
      "1-2.5 A",
      "3600-3601 B",
    ]);
  });
  test("SSA's format, and its numbers for places", () => {
    const old = `[Script Info]
ScriptType: v4.00
[V4 Styles]
Format: Name, Alignment
Style: *Default,6
[Events]
Format: Marked, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: Marked=0,0:00:01.00,0:00:02.00,*Default,,0000,0000,0000,,Up
`;
    expect(ass(old)).toEqual(["1-2 @8 Up"]);
  });
});

describe("a file", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const kind = async (text: string) => (await readBytes(bytes(text))).kind;
  test("is what its first bytes say", async () => {
    expect(await kind(PLAIN)).toBe("text");
    expect(await kind(`WEBVTT\n\n00:01.000 --> 00:02.000\nA`)).toBe("text");
    for (const line of ["A", "{\\p1}m 0 0 l 9 9"])
      expect(
        await kind(
          `[Script Info]\n[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,${line}`,
        ),
      ).toBe("ass");
  });
  test("is refused with a sentence if it can't be shown", async () => {
    const refused = (content: string | number[]) =>
      expect(readBytes(typeof content === "string" ? bytes(content) : Uint8Array.from(content)))
        .rejects;
    await refused("{1}{1}23.976\n{10}{40}Hello").toThrow(t("subtitlesMicroDvd"));
    await refused("# VobSub index file, v7").toThrow(t("subtitlesVobSub"));
    await refused([0, 0, 1, 0xba, 0x44]).toThrow(t("subtitlesVobSub"));
    await refused("Once upon a time").toThrow(t("subtitlesUnknown"));
    await refused("WEBVTT\n\nNOTE nothing").toThrow(t("subtitlesEmpty"));
    await refused("[Script Info]\n[Events]\n").toThrow(t("subtitlesEmpty"));
    await refused("").toThrow(t("subtitlesEmpty"));
    await refused(Array.from({ length: 400 }, (_, i) => (i % 2 ? 0 : i % 7 ? 0 : 9))).toThrow(
      t("subtitlesBinary"),
    );
  });
  test("is not even read if it is too large", async () => {
    const file = {
      name: "film.srt",
      size: 10e6 + 1,
      arrayBuffer: () => Promise.reject(new Error("was read")),
    } as unknown as File;
    await expect(readFile(file)).rejects.toThrow(t("subtitlesTooLarge", size(10e6)));
  });
});

describe("hostile text ends soon", () => {
  const MANY = 2_000_000;
  const cases: [name: string, text: string][] = [
    ["line ends", "\n".repeat(MANY)],
    ["carriage returns", "\r".repeat(MANY)],
    ["spaces", " ".repeat(MANY)],
    ["arrows", "-->".repeat(MANY / 3)],
    ["digits", "1".repeat(MANY)],
    ["times", "00:00:01,000 --> 00:00:02,000\n".repeat(60_000)],
    ["open tags", `00:00:01,000 --> 00:00:02,000\n${"<i".repeat(MANY / 2)}`],
    ["open braces", `00:00:01,000 --> 00:00:02,000\n${"{".repeat(MANY)}`],
    ["headings", `[Events]\n${"[Events]\n".repeat(MANY / 9)}`],
    ["brackets", "[".repeat(MANY)],
  ];
  /** Processor time in ms for reading a text in each way. */
  async function cost(text: string): Promise<number> {
    const before = process.cpuUsage();
    for (const parse of [parseSrt, parseVtt, parseAss]) parse(text);
    await readBytes(new TextEncoder().encode(text)).catch(() => {});
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  }

  test.each(cases)("%s", async (_name, text) => {
    const quarter = await cost(text.slice(0, text.length / 4));
    // Linear cost grows by a factor of four, quadratic cost by sixteen.
    expect(await cost(text)).toBeLessThan(9 * quarter + 400);
  });
});
