// EBML, the encoding of Matroska: numbers, elements and lacing.

import { describe, expect, test } from "vitest";
import { parseBlock } from "../../src/media/matroska/blocks";
import { children, header, UNKNOWN, vint } from "../../src/media/matroska/ebml";
import { parseTracks } from "../../src/media/matroska/head";
import { audioTrack, chance, concat, el, idBytes, num, sizeBytes, UNKNOWN_SIZE } from "./bytes";

describe("numbers of variable length", () => {
  test("numbers of every length survive a round trip", () => {
    for (let length = 1; length <= 8; length += 1) {
      for (const value of [0, 1, 2 ** (7 * length - 1), 2 ** Math.min(7 * length, 52) - 2]) {
        expect(vint(Uint8Array.from(sizeBytes(value, length)), 0)).toEqual({ value, length });
      }
      expect(vint(Uint8Array.from([...sizeBytes(1, length)].slice(0, length - 1)), 0)).toBe(
        "short",
      );
    }
  });
  test("all ones mean an unknown size, in every length", () => {
    for (let length = 1; length <= 8; length += 1)
      expect(
        vint(
          Uint8Array.from([2 ** (9 - length) - 1, ...new Array<number>(length - 1).fill(255)]),
          0,
        ),
      ).toEqual({
        value: UNKNOWN,
        length,
      });
  });
  test("a first byte of zero is not a number", () => {
    expect(vint(new Uint8Array(9), 0)).toBe("invalid");
    expect(header(new Uint8Array(9))).toBe("invalid");
  });
  test("a size of 2^56 - 2 is read as a number, not allocated", () => {
    const head = header(concat([0xec], [1, 255, 255, 255, 255, 255, 255, 254]));
    expect(head).toMatchObject({ id: 0xec, length: 9 });
    expect((head as { size: number }).size).toBeGreaterThan(2 ** 55);
  });
});

describe("children", () => {
  test("a child that claims more than its parent has ends with the parent", () => {
    expect(
      [...children(concat(idBytes(0xae), sizeBytes(1000), [1, 2, 3]))].map(
        ({ data }) => data.length,
      ),
    ).toEqual([3]);
  });
  test("a child of unknown size takes the rest", () => {
    expect(
      [...children(concat([0xae], UNKNOWN_SIZE, [1, 2]))].map(({ data }) => [...data]),
    ).toEqual([[1, 2]]);
  });
  test("of 2^16 tracks only a few are kept", () => {
    const one = el(0xae, el(0xd7, num(1, 4)));
    const many = new Uint8Array(one.length * 2 ** 16);
    for (let i = 0; i < 2 ** 16; i += 1) {
      many.set(one, i * one.length);
      many.set(num(i + 1, 4), (i + 1) * one.length - 4);
    }
    expect(parseTracks(many)).toHaveLength(128);
  });
  test("two entries with the same number are one track", () => {
    expect(parseTracks(concat(audioTrack(), audioTrack()))).toHaveLength(1);
  });
});

describe("lacing", () => {
  const head = (lacing: number) => [0x81, 0, 5, 0x80 | (lacing << 1)];
  const frames = (random: () => number, count: number, equal: boolean) => {
    const size = Math.floor(random() * 600);
    return Array.from({ length: count }, () =>
      Uint8Array.from({ length: equal ? size : Math.floor(random() * 600) }, () =>
        Math.floor(random() * 256),
      ),
    );
  };
  const xiph = (sizes: number[]) =>
    sizes.flatMap((size) => [...new Array<number>(Math.floor(size / 255)).fill(255), size % 255]);
  const ebml = (sizes: number[]) =>
    sizes.flatMap((size, index) =>
      index === 0 ? sizeBytes(size, 2) : sizeBytes(size - sizes[index - 1]! + 2 ** 13 - 1, 2),
    );

  test("the frames of all three kinds of lacing are found", () => {
    for (let seed = 1; seed <= 300; seed += 1) {
      const random = chance(seed);
      const count = 1 + Math.floor(random() * 16);
      for (const lacing of [1, 2, 3]) {
        const content = frames(random, count, lacing === 2);
        const sizes = content.slice(0, -1).map(({ length }) => length);
        const table = lacing === 1 ? xiph(sizes) : lacing === 3 ? ebml(sizes) : [];
        const block = parseBlock(concat(head(lacing), [count - 1], table, ...content));
        expect(block, `seed ${seed}, lacing ${lacing}`).toMatchObject({
          track: 1,
          time: 5,
          key: true,
        });
        expect(block!.frames.map((frame) => [...frame])).toEqual(
          content.map((frame) => [...frame]),
        );
      }
    }
  });
  test("sizes beyond the block are refused", () => {
    expect(parseBlock(concat(head(1), [1, 200], [1, 2, 3]))).toBeUndefined();
    expect(
      parseBlock(concat(head(3), [2], sizeBytes(100, 2), sizeBytes(0, 2), [1])),
    ).toBeUndefined();
    expect(parseBlock(concat(head(2), [1], [1, 2, 3]))).toBeUndefined();
    expect(parseBlock(concat(head(1), [255], new Uint8Array(10).fill(255)))).toBeUndefined();
  });
  test("block times are signed", () => {
    expect(parseBlock(Uint8Array.of(0x81, 0xff, 0xfe, 0, 9))).toMatchObject({
      time: -2,
      key: false,
    });
  });
  test("any bytes are parsed or refused, and frames never exceed the block", () => {
    const random = chance(77);
    for (let i = 0; i < 20_000; i += 1) {
      const bytes = Uint8Array.from({ length: Math.floor(random() * 40) }, () =>
        Math.floor(random() * 256),
      );
      const block = parseBlock(bytes);
      if (block)
        expect(block.frames.reduce((sum, frame) => sum + frame.length, 0)).toBeLessThanOrEqual(
          bytes.length,
        );
    }
  });
});
