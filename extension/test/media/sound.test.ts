// The channels of sound tracks, and mixing them down to stereo.

import { describe, expect, test } from "vitest";
import { MatroskaFile } from "../../src/media/matroska/file";
import { mixDown, rolesOf } from "../../src/media/mixdown";
import { Cursor } from "../../src/media/reader";
import { all, sample, served } from "./bytes";

const channel = (value: number) => new Float32Array(4).fill(value);

describe("roles of channels", () => {
  test("a real mono AC-3 frame has one channel", async () => {
    const { source } = served(sample("ffmpeg.mkv"));
    const file = (await MatroskaFile.open(source, new Cursor(source, 0)))!;
    const track = file.streams.find(({ codec }) => codec === "ac3")!;
    const [frame] = await all(await file.read(0, undefined, new Set([track.id])));
    expect(rolesOf("ac3", frame!.data, 1)).toEqual(["C"]);
  });
  // The heads were written by ffmpeg for the layouts beside them.
  const heads: [string, "ac3" | "eac3" | "dts", number[], string[]][] = [
    [
      "AC-3 5.1",
      "ac3",
      [0x0b, 0x77, 0, 0, 0x1c, 0x40, 0xe1, 0xdf, 0xc0, 0],
      ["L", "R", "C", "LFE", "SL", "SR"],
    ],
    ["AC-3 stereo", "ac3", [0x0b, 0x77, 0, 0, 0x14, 0x40, 0x43, 0xe1, 0xc0, 0], ["L", "R"]],
    [
      "E-AC-3 5.1",
      "eac3",
      [0x0b, 0x77, 0x02, 0xff, 0x3f, 0x86, 0xff, 0xe1, 0, 0],
      ["L", "R", "C", "LFE", "SL", "SR"],
    ],
    [
      "DTS 5.1",
      "dts",
      [0x7f, 0xfe, 0x80, 0x01, 0xfc, 0x3c, 0x7f, 0xf2, 0x7b, 0xe0, 0x0a, 0x78],
      ["L", "R", "C", "LFE", "SL", "SR"],
    ],
  ];
  for (const [name, codec, head, roles] of heads)
    test(name, () => expect(rolesOf(codec, Uint8Array.from(head), roles.length)).toEqual(roles));
  test("without a head the usual layouts apply", () => {
    expect(rolesOf("pcm", new Uint8Array(0), 6)).toEqual(["L", "R", "C", "LFE", "SL", "SR"]);
    expect(rolesOf("ac3", new Uint8Array(0), 8)).toHaveLength(8);
    expect(rolesOf("flac", new Uint8Array(0), 12)).toHaveLength(12);
  });
});

describe("mixing down", () => {
  const roles = rolesOf("pcm", new Uint8Array(0), 6);
  test("the centre goes to both sides at half power, the LFE nowhere", () => {
    const [left, right] = mixDown([0, 0, 0.4, 0.9, 0, 0].map(channel), roles);
    expect(left![0]).toBeCloseTo(0.4 * Math.SQRT1_2, 6);
    expect(right![0]).toBeCloseTo(0.4 * Math.SQRT1_2, 6);
  });
  test("left stays left, and right stays right", () => {
    const [left, right] = mixDown([0.3, 0, 0, 0, 0.2, 0].map(channel), roles);
    expect(left![0]).toBeCloseTo(0.3 + 0.2 * Math.SQRT1_2, 6);
    expect(right![0]).toBe(0);
  });
  test("loud samples stay below full scale and keep their order", () => {
    const at = (level: number) =>
      mixDown(
        [1, 1, 1, 1, 1, 1].map((value) => channel(value * level)),
        roles,
      )[0]![0]!;
    expect(at(1)).toBeLessThanOrEqual(1);
    expect(at(0.5)).toBeGreaterThan(at(0.4));
  });
  test("mono and stereo are unchanged", () => {
    expect(mixDown([channel(0.9)], ["C"])).toEqual([channel(0.9)]);
    expect(mixDown([channel(0.9), channel(-0.95)], ["L", "R"])).toEqual([
      channel(0.9),
      channel(-0.95),
    ]);
  });
});
