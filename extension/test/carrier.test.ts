// Who opens a film: the `<video>` by itself, or an engine.

import { expect, test } from "vitest";
import { Carrier, isInspectedFirst } from "../src/player/carrier";
import type { Engine, Film } from "../src/player/engines/engine";

class FakeVideo {
  src = "";
  loads = 0;
  load(): void {
    this.loads += 1;
  }
  removeAttribute(name: string): void {
    if (name === "src") this.src = "";
  }
}

class FakeEngine implements Engine {
  opened: [Film, number][] = [];
  destroyed = 0;
  open(film: Film, atS: number): void {
    this.opened.push([film, atS]);
  }
  seek(): void {}
  selectAudio(): void {}
  told: (string | boolean)[] = [];
  moved(url: string): void {
    this.told.push(url);
  }
  linked(connected: boolean): void {
    this.told.push(connected);
  }
  destroy(): Promise<void> {
    this.destroyed += 1;
    return Promise.resolve();
  }
}

const FILM = { path: "film.mkv", length: 9, contentType: "video/x-matroska" };

function rig() {
  const video = new FakeVideo();
  return { video, carrier: new Carrier(video as unknown as HTMLVideoElement, () => FILM) };
}

test("without an engine the video opens the film by itself", () => {
  const { video, carrier } = rig();
  carrier.src = "a";
  carrier.load(5);
  expect([video.src, video.loads]).toEqual(["a", 1]);
});

test("an engine opens the film at its start position, and the video is not touched", () => {
  const { video, carrier } = rig();
  const engine = new FakeEngine();
  carrier.use(engine);
  carrier.src = "a";
  carrier.load(5);
  expect(engine.opened).toEqual([[{ url: "a", ...FILM }, 5]]);
  expect([video.src, video.loads]).toEqual(["", 0]);
});

test("an engine is told whether the daemon is connected, and continues at a new address", () => {
  const { video, carrier } = rig();
  carrier.linked(false);
  expect(carrier.moved("b")).toBe(false);
  const engine = new FakeEngine();
  carrier.use(engine);
  carrier.linked(true);
  expect(carrier.moved("b")).toBe(true);
  expect(engine.told).toEqual([false, true, "b"]);
  expect([video.src, carrier.src]).toEqual(["", "b"]);
});

test("a replaced engine is destroyed, and the video takes over", () => {
  const { video, carrier } = rig();
  const engine = new FakeEngine();
  carrier.use(engine);
  carrier.src = "a";
  carrier.use(undefined);
  carrier.load(0);
  expect([engine.destroyed, video.src, video.loads]).toEqual([1, "a", 1]);
});

test("only containers that often need codecs beyond Chrome's are inspected first", () => {
  for (const path of ["a.mkv", "B.MKV", "s/a.ts", "a.m2ts"])
    expect(isInspectedFirst(path), path).toBe(true);
  for (const path of ["a.mp4", "a.webm", "mkv", "a.mkv.mp4", "a.tsv"])
    expect(isInspectedFirst(path), path).toBe(false);
});

test("the video's own source is removed before an engine sets another", () => {
  const { video, carrier } = rig();
  carrier.src = "a";
  carrier.load(0);
  const loads = video.loads;
  carrier.use(new FakeEngine());
  expect([video.src, video.loads]).toEqual(["", loads + 1]);
});
