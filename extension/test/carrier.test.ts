import { expect, test } from "vitest";
import { Carrier, isLookedInto } from "../src/player/carrier";
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

test("an engine opens it where it is to begin, and the video is left alone", () => {
  const { video, carrier } = rig();
  const engine = new FakeEngine();
  carrier.use(engine);
  carrier.src = "a";
  carrier.load(5);
  expect(engine.opened).toEqual([[{ url: "a", ...FILM }, 5]]);
  expect([video.src, video.loads]).toEqual(["", 0]);
});

test("an engine hears whether the daemon is there, and goes on by itself at another address", () => {
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

test("an engine that is replaced lets go, and the video takes over", () => {
  const { video, carrier } = rig();
  const engine = new FakeEngine();
  carrier.use(engine);
  carrier.src = "a";
  carrier.use(undefined);
  carrier.load(0);
  expect([engine.destroyed, video.src, video.loads]).toEqual([1, "a", 1]);
});

test("only containers that often hold what Chrome lacks are looked into", () => {
  for (const path of ["a.mkv", "B.MKV", "s/a.ts", "a.m2ts"])
    expect(isLookedInto(path), path).toBe(true);
  for (const path of ["a.mp4", "a.webm", "mkv", "a.mkv.mp4", "a.tsv"])
    expect(isLookedInto(path), path).toBe(false);
});

test("what the video plays by itself ends before an engine brings its own source", () => {
  const { video, carrier } = rig();
  carrier.src = "a";
  carrier.load(0);
  const loads = video.loads;
  carrier.use(new FakeEngine());
  expect([video.src, video.loads]).toEqual(["", loads + 1]);
});
