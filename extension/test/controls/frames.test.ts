// The pictures over the seek bar: captured frames, and frames that the page requests.

import { beforeEach, expect, test, vi } from "vitest";
import { Frames, Preview } from "../../src/player/controls/frames";
import { FakeClock, settle } from "../fake_clock";

const picture = (name: string) => ({ name, close: vi.fn() });

test("the nearest picture is found, if it is near enough", () => {
  const frames = new Frames<ReturnType<typeof picture>>();
  frames.add(10, picture("ten"));
  frames.add(20, picture("twenty"));
  expect([14, 16, 26, 40].map((at) => frames.near(at, 7)?.name)).toEqual([
    "ten",
    "twenty",
    "twenty",
    undefined,
  ]);
});

test("a full ring closes its oldest picture, and clearing closes all", () => {
  const frames = new Frames<ReturnType<typeof picture>>(2);
  const pictures = ["a", "b", "c"].map(picture);
  for (const [index, one] of pictures.entries()) frames.add(index * 10, one);
  expect(pictures.map(({ close }) => close.mock.calls.length)).toEqual([1, 0, 0]);
  frames.clear();
  expect(pictures.map(({ close }) => close.mock.calls.length)).toEqual([1, 1, 1]);
  expect(frames.near(10, 100)).toBeUndefined();
});

let clock: FakeClock;
let changes: number;
beforeEach(() => {
  clock = new FakeClock();
  changes = 0;
});

function preview(source: (atS: number, signal: AbortSignal) => Promise<ImageBitmap | undefined>) {
  return new Preview({} as HTMLVideoElement, clock, source, () => changes++);
}

test("a place with bytes on disk is requested once the pointer rests", async () => {
  const found = picture("found") as unknown as ImageBitmap;
  const source = vi.fn(async () => found);
  const subject = preview(source);
  subject.look(30, 1, true);
  await clock.advance(100);
  subject.look(31, 1, true);
  await clock.advance(100);
  expect(source).not.toHaveBeenCalled();
  await clock.advance(50);
  expect(source).toHaveBeenCalledExactlyOnceWith(31, expect.anything());
  expect([subject.picture, changes]).toEqual([found, 1]);
  subject.look(32, 1, true);
  await clock.advance(500);
  expect(source).toHaveBeenCalledTimes(1);
});

test("a place without bytes on disk is never requested", async () => {
  const source = vi.fn(async () => undefined);
  preview(source).look(30, 1, false);
  await clock.advance(1000);
  expect(source).not.toHaveBeenCalled();
});

test("a picture that comes after the pointer has left is closed and not shown", async () => {
  const late = picture("late");
  let give = (_: ImageBitmap | undefined) => {};
  let asked: AbortSignal | undefined;
  const subject = preview((_, signal) => {
    asked = signal;
    return new Promise((resolve) => (give = resolve));
  });
  subject.look(30, 1, true);
  await clock.advance(150);
  subject.look(undefined, 0, false);
  expect(asked?.aborted).toBe(true);
  give(late as unknown as ImageBitmap);
  await settle();
  expect([late.close.mock.calls.length, subject.picture, changes]).toEqual([1, undefined, 0]);
});
