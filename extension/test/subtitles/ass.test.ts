// The messages between the player and the libass worker, with a fake worker and document.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { FromAss, Size, ToAss } from "../../src/player/subtitles/ass_protocol";
import { AssRenderer, SILENT_MS } from "../../src/player/subtitles/ass";
import { headOf, stylePlaces } from "../../src/player/subtitles/ass_script";
import { CueList } from "../../src/player/subtitles/cues";
import type { AssEvent, Content, Stage } from "../../src/player/subtitles/renderer";

class FakeWorker extends EventTarget {
  log: string[] = [];
  sizes: Size[] = [];
  ended = false;
  postMessage(message: ToAss): void {
    if (message.kind === "size") this.sizes.push(message.size);
    if (message.kind === "events") {
      const events = message.events.map(
        ({ line, startMs, durationMs }) => `${line.split(",").at(-1)} ${startMs}+${durationMs}`,
      );
      this.log.push(`events ${events.join()}`);
    } else if (message.kind === "draw") this.log.push(`draw ${message.time}`);
    else if (message.kind === "size")
      this.log.push(`size ${message.size.width}×${message.size.height}`);
    else this.log.push(message.kind);
  }
  terminate(): void {
    this.ended = true;
  }
  say(message: FromAss): void {
    this.dispatchEvent(new MessageEvent("message", { data: message }));
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("devicePixelRatio", 2);
  const element = () => ({
    dataset: {},
    style: {},
    remove: () => {},
    transferControlToOffscreen: () => ({}),
  });
  vi.stubGlobal("document", {
    createElement: element,
    baseURI: "chrome-extension://x/player.html",
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const event = (start: number, text: string): AssEvent => ({
  start,
  end: start + 2,
  line: `0,0,Default,,0,0,0,,${text}`,
});

function begin({
  script = "[Events]\n",
  fonts = [] as Uint8Array<ArrayBuffer>[],
  height = 500,
} = {}) {
  const worker = new FakeWorker();
  const events: AssEvent[] = [];
  const content: Content = { kind: "ass", script, events, cues: new CueList() };
  let failures = 0;
  const stage = {
    host: { append: () => {}, clientHeight: height },
    picture: () => ({ left: 0, top: 0, width: height * 2, height }),
    pictureSize: () => ({ width: 1280, height: 640 }),
    size: 1,
    insetPx: 0,
    fonts: async function* () {
      yield* fonts;
    },
    now: () => 5,
    fail: () => (failures += 1),
  } as unknown as Stage;
  const renderer = new AssRenderer(() => worker as unknown as Worker);
  renderer.attach(content, stage);
  return { worker, stage, events, renderer, failures: () => failures };
}

test("the size message has the scale and the part that the controls cover", () => {
  const { worker, stage, renderer } = begin();
  Object.assign(stage, { size: 1.5, insetPx: 100 });
  renderer.change("layout");
  expect(worker.sizes.map(({ look }) => look)).toEqual([{ scale: 1.5, covered: 0.2 }]);
});

describe("drawing", () => {
  test("begins when the worker is ready, with the events that came before", () => {
    const { worker, events, renderer } = begin();
    events.push(event(4, "A"));
    renderer.change("cues");
    renderer.draw(5.5);
    expect(worker.log).toEqual(["open"]);
    worker.say({ kind: "ready" });
    expect(worker.log.slice(1)).toEqual(["events A 4000+2000", "draw 5.5"]);
  });
  test("has one pending picture at a time, and then the last requested one", () => {
    const { worker, renderer } = begin();
    worker.say({ kind: "ready" });
    for (const time of [6, 7, 8]) renderer.draw(time);
    worker.say({ kind: "drawn" });
    worker.say({ kind: "drawn" });
    renderer.draw(8);
    expect(worker.log.slice(1)).toEqual(["draw 5", "draw 8"]);
  });
  test("sends each event once, and draws the same time again for it", () => {
    const { worker, events, renderer } = begin();
    worker.say({ kind: "ready" });
    worker.say({ kind: "drawn" });
    events.push(event(4, "A"));
    renderer.change("cues");
    worker.say({ kind: "drawn" });
    events.push(event(9, "B"));
    renderer.change("cues");
    expect(worker.log.slice(2)).toEqual([
      "events A 4000+2000",
      "draw 5",
      "events B 9000+2000",
      "draw 5",
    ]);
  });
  test("has the screen's resolution, up to a limit", () => {
    const small = begin();
    small.renderer.change("layout");
    expect(small.worker.log).toContain("size 2000×1000");
    const large = begin({ height: 2000 });
    large.renderer.change("layout");
    expect(large.worker.log).toContain("size 2880×1440");
  });
});

describe("the renderer fails", () => {
  test("when the worker does", () => {
    const { worker, failures } = begin();
    worker.say({ kind: "failed", detail: "" });
    expect(failures()).toBe(1);
  });
  test("when the worker does not start", () => {
    const { worker, failures } = begin();
    worker.dispatchEvent(new Event("error"));
    expect(failures()).toBe(1);
  });
  test("when the worker hangs, while it opens and while it draws", () => {
    const opening = begin();
    vi.advanceTimersByTime(SILENT_MS);
    expect(opening.failures()).toBe(1);
    const drawing = begin();
    drawing.worker.say({ kind: "ready" });
    vi.advanceTimersByTime(SILENT_MS - 1);
    drawing.worker.say({ kind: "drawn" });
    vi.advanceTimersByTime(SILENT_MS * 9);
    expect(drawing.failures()).toBe(0);
    drawing.renderer.draw(6);
    vi.advanceTimersByTime(SILENT_MS);
    expect(drawing.failures()).toBe(1);
  });
  test("on letters for which neither the film nor the folder has a font", async () => {
    const check = async (script: string, fonts: Uint8Array<ArrayBuffer>[], text: string) => {
      const { worker, events, failures } = begin({ script, fonts });
      events.push(event(1, text));
      worker.say({ kind: "ready" });
      await vi.advanceTimersByTimeAsync(1);
      return failures() > 0;
    };
    const georgian = "[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,გამარჯობა";
    expect(await check(georgian, [], "A")).toBe(true);
    expect(await check(georgian, [new Uint8Array(1)], "A")).toBe(false);
    expect(await check("[Events]\n", [], "日本")).toBe(true);
    expect(await check("[Events]\n", [], "Žluťoučký кот ελιά שלום – “…” ♪")).toBe(false);
    // A style's name is not shown.
    expect(
      await check(
        "[V4+ Styles]\nStyle: 日本\n[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,A,,0,0,0,,A",
        [],
        "A",
      ),
    ).toBe(false);
  });
});

test("after detaching, the worker is terminated and its messages are ignored", () => {
  const { worker, renderer, failures } = begin();
  worker.say({ kind: "ready" });
  renderer.detach();
  worker.say({ kind: "failed", detail: "" });
  worker.say({ kind: "drawn" });
  renderer.draw(9);
  renderer.change("layout");
  vi.advanceTimersByTime(SILENT_MS * 2);
  expect([worker.ended, failures(), worker.log]).toEqual([true, 0, ["open", "draw 5"]]);
});

describe("a track's head", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const styles =
    "[Script Info]\nPlayResX: 1280\n[V4+ Styles]\nFormat: Name, Alignment\nStyle: Top,8\n";
  test("gets the line that libass needs for single events, if it lacks it", () => {
    for (const head of [
      styles,
      `${styles}[Events]\n`,
      `${styles}[Events]\nFormat: Layer, Start, End, Style, Text\n`,
    ]) {
      const made = headOf(bytes(head));
      expect(made.match(/\[Events\]\s*Format:/g)).toHaveLength(1);
      expect(made).toContain("PlayResX: 1280");
      expect(stylePlaces(made).get("Top")).toBe(8);
    }
  });
  test("is a default if there is none", () => {
    for (const head of [undefined, bytes(""), bytes("nonsense")])
      expect(headOf(head)).toMatch(/Style: Default,Liberation Sans[\s\S]*\[Events\]\nFormat:/);
  });
});
