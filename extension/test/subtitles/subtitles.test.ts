// The list of subtitle tracks and the choice among them, with a fake renderer and `<video>`.
//
// dev/media tests what real renderers draw.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { SubtitleTrack } from "../../src/media/protocol";
import type { Content, Renderer, Stage } from "../../src/player/subtitles/renderer";
import { Subtitles, type SubtitleSettings } from "../../src/player/subtitles/subtitles";
import { size } from "../../src/text/format";
import { t } from "../../src/text/messages";

class FakeVideo extends EventTarget {
  currentTime = 0;
  paused = false;
  seeking = false;
  videoWidth = 1280;
  videoHeight = 720;
  frames = new Map<number, (now: number, frame: { mediaTime: number }) => void>();
  private next = 1;
  requestVideoFrameCallback(callback: (now: number, frame: { mediaTime: number }) => void): number {
    this.frames.set(this.next, callback);
    return this.next++;
  }
  cancelVideoFrameCallback(id: number): void {
    this.frames.delete(id);
  }
  getBoundingClientRect = () => ({ left: 0, top: 0, width: 1000, height: 1000 });
  /** Presents a frame. */
  show(time: number): void {
    this.currentTime = time;
    const [first] = this.frames;
    if (!first) return;
    this.frames.delete(first[0]);
    first[1](0, { mediaTime: time });
  }
}

/** Records its calls. */
class FakeRenderer implements Renderer {
  content: Content | undefined;
  stage: Stage | undefined;
  constructor(
    private readonly log: string[],
    private readonly name: string,
  ) {}
  attach(content: Content, stage: Stage): void {
    this.content = content;
    this.stage = stage;
    this.log.push(`${this.name} attach ${content.kind}`);
  }
  change(what: string): void {
    this.log.push(`${this.name} change ${what}`);
  }
  draw(time: number): void {
    this.log.push(`${this.name} draw ${time.toFixed(2)}`);
  }
  detach(): void {
    this.log.push(`${this.name} detach`);
  }
}

const inside = (
  id: number,
  language: string | undefined,
  more: Partial<SubtitleTrack> = {},
): SubtitleTrack => ({
  id,
  format: "srt",
  language,
  title: undefined,
  isDefault: false,
  forced: false,
  header: undefined,
  ...more,
});
const cue = (track: number, start: number, text: string) => ({
  track,
  start,
  end: start + 2,
  data: new TextEncoder().encode(text),
});
const SRT = "1\n00:00:01,000 --> 00:00:02,000\nHi\n";

let observed = 0;
beforeEach(() => {
  observed = 0;
  vi.stubGlobal(
    "ResizeObserver",
    class {
      observe() {
        observed += 1;
      }
      disconnect() {
        observed = 0;
      }
    },
  );
});
afterEach(() => vi.unstubAllGlobals());

function stage(settings: SubtitleSettings = {}) {
  const video = new FakeVideo();
  const log: string[] = [];
  const asked: number[][] = [];
  const renderers: FakeRenderer[] = [];
  const way = (name: string, kinds: string[]) => ({
    canRender: (kind: string) => kinds.includes(kind),
    load: () =>
      Promise.resolve({
        renderer: () => renderers[renderers.push(new FakeRenderer(log, name)) - 1]!,
      }),
  });
  let changes = 0;
  const port = {
    selectSubtitles: (tracks: number[]) => void asked.push(tracks),
    fonts: () => Promise.resolve([]),
    font: () => Promise.resolve(undefined),
  };
  const host = { getBoundingClientRect: () => ({ left: 0, top: 0 }) };
  const subtitles = new Subtitles(
    video as unknown as HTMLVideoElement,
    host as unknown as HTMLElement,
    port,
    {
      changed: () => (changes += 1),
      languages: ["en"],
      ways: [way("styled", ["ass"]), way("plain", ["text", "ass"]), way("pictures", ["pgs"])],
      ...settings,
    },
  );
  const settled = () => new Promise((resolve) => setTimeout(resolve, 5));
  return {
    video,
    log,
    asked,
    renderers,
    subtitles,
    settled,
    labels: () => subtitles.tracks.map(({ label }) => label),
    state: (id: string) => subtitles.tracks.find((track) => track.id === id)?.state,
    changes: () => changes,
  };
}

describe("the list", () => {
  test("names tracks by language and title, and no two alike", () => {
    const { subtitles, labels } = stage();
    subtitles.setInside([
      inside(3, "ger"),
      inside(4, "ger"),
      inside(5, "eng", { title: "SDH" }),
      inside(6, "eng", { forced: true }),
      inside(7, undefined),
      inside(8, "fre", { title: "French (Canada)" }),
      inside(9, undefined, { title: "Signs" }),
    ]);
    subtitles.setBeside([
      { url: "u", name: "Film.de.srt" },
      { url: "u", name: "Subs/what is this.srt" },
      { url: "u", name: "x.srt", language: "es", title: "Latino" },
    ]);
    expect(labels()).toEqual([
      "German",
      "German 2",
      "English · SDH",
      "English (forced)",
      "Subtitles 5",
      "French (Canada)",
      "Signs",
      "German 3",
      "what is this.srt",
      "Spanish · Latino",
    ]);
  });
  test("marks tracks that can't be shown, which can't be chosen", async () => {
    const { subtitles, asked, settled } = stage();
    subtitles.setInside([inside(3, "en", { format: "other" })]);
    expect(subtitles.tracks[0]).toMatchObject({
      state: "unsupported",
      trouble: t("subtitlesKind"),
    });
    subtitles.select("inside/3");
    await settled();
    expect([subtitles.selected, asked]).toEqual([undefined, [[]]]);
  });
});

describe("a track inside the film", () => {
  test("is requested when chosen, and drawn as blocks arrive and frames are shown", async () => {
    const { subtitles, asked, log, video, settled, state } = stage();
    subtitles.setInside([inside(3, "en"), inside(4, "de")]);
    subtitles.select("inside/4");
    expect(state("inside/4")).toBe("loading");
    await settled();
    expect(state("inside/4")).toBe("shown");
    subtitles.take([cue(4, 1, "A"), cue(3, 1, "not chosen")]);
    subtitles.take([cue(4, 1, "A")]);
    subtitles.take([cue(3, 1, "again")]);
    video.show(1.5);
    video.show(1.75);
    expect(asked).toEqual([[], [4]]);
    expect(log).toEqual([
      "plain attach text",
      "plain change cues",
      "plain draw 1.50",
      "plain draw 1.75",
    ]);
  });
  test("keeps its cues, and is requested again, when the film is reopened", async () => {
    const { subtitles, asked, renderers, settled, log } = stage();
    const tracks = [inside(3, "en")];
    subtitles.setInside(tracks);
    subtitles.select("inside/3");
    await settled();
    subtitles.take([cue(3, 1, "A")]);
    subtitles.setInside([...tracks]);
    subtitles.take([cue(3, 1, "A"), cue(3, 4, "B")]);
    expect(asked).toEqual([[], [3], [3]]);
    expect(log.filter((line) => line.includes("attach") || line.includes("detach"))).toHaveLength(
      1,
    );
    const { content } = renderers[0]!;
    expect(
      content?.kind === "text" && content.cues.items.map(({ spans }) => spans[0]!.text),
    ).toEqual(["A", "B"]);
  });
  test("is replaced by another, which alone is drawn", async () => {
    const { subtitles, asked, log, video, settled, state } = stage();
    subtitles.setInside([inside(3, "en"), inside(4, "de", { format: "pgs" })]);
    subtitles.select("inside/3");
    await settled();
    subtitles.select("inside/4");
    await settled();
    video.show(2);
    subtitles.select(undefined);
    video.show(3);
    expect(log).toEqual([
      "plain attach text",
      "plain detach",
      "pictures attach pgs",
      "pictures draw 2.00",
      "pictures detach",
    ]);
    expect(asked).toEqual([[], [3], [4], []]);
    expect([state("inside/3"), state("inside/4")]).toEqual(["idle", "idle"]);
  });
  test("is not drawn when another was chosen while its renderer was loaded", async () => {
    const { subtitles, log, settled } = stage();
    subtitles.setInside([inside(3, "en"), inside(4, "de", { format: "ass" })]);
    subtitles.select("inside/4");
    subtitles.select("inside/3");
    await settled();
    expect(log).toEqual(["plain attach text"]);
  });
  test("is not drawn if it is deselected at the last moment", async () => {
    let loaded = (_module: { renderer: () => FakeRenderer }) => {};
    const log: string[] = [];
    const { subtitles, settled } = stage({
      ways: [{ canRender: () => true, load: () => new Promise((resolve) => (loaded = resolve)) }],
    });
    subtitles.setInside([inside(3, "en")]);
    subtitles.select("inside/3");
    await settled();
    subtitles.select(undefined);
    loaded({ renderer: () => new FakeRenderer(log, "late") });
    await settled();
    expect([log, subtitles.tracks[0]!.state]).toEqual([[], "idle"]);
  });
  test("is drawn as plain text if libass fails", async () => {
    const { subtitles, log, renderers, settled, state } = stage();
    subtitles.setInside([inside(3, "en", { format: "ass" })]);
    subtitles.select("inside/3");
    await settled();
    renderers[0]!.stage!.fail();
    renderers[0]!.stage!.fail();
    await settled();
    expect(log).toEqual(["styled attach ass", "styled detach", "plain attach ass"]);
    expect(state("inside/3")).toBe("shown");
    renderers[1]!.stage!.fail();
    await settled();
    expect([state("inside/3"), subtitles.selected, subtitles.tracks[0]!.trouble]).toEqual([
      "failed",
      undefined,
      t("subtitlesFailed"),
    ]);
  });
});

describe("a delay", () => {
  test("moves the drawn subtitles at once", async () => {
    const { subtitles, log, video, settled } = stage();
    subtitles.setInside([inside(3, "en")]);
    subtitles.select("inside/3");
    await settled();
    video.show(10);
    subtitles.delayS = 1.5;
    subtitles.delayS = -0.25;
    subtitles.delayS = NaN;
    video.show(11);
    expect(log.slice(1)).toEqual([
      "plain draw 10.00",
      "plain draw 8.50",
      "plain draw 10.25",
      "plain draw 11.25",
    ]);
    expect(subtitles.delayS).toBe(-0.25);
  });
  test("follows the element's position during a seek", async () => {
    const { subtitles, log, video, settled } = stage();
    subtitles.setInside([inside(3, "en")]);
    subtitles.select("inside/3");
    await settled();
    video.currentTime = 50;
    video.dispatchEvent(new Event("seeking"));
    expect(log.at(-1)).toBe("plain draw 50.00");
  });
});

test("the size is limited, and a change causes a new layout", async () => {
  const { subtitles, log, settled } = stage();
  subtitles.setInside([inside(3, "en")]);
  subtitles.select("inside/3");
  await settled();
  subtitles.size = 9;
  expect(subtitles.size).toBe(2.5);
  subtitles.size = 0.1;
  expect(subtitles.size).toBe(0.5);
  subtitles.insetPx = 60;
  subtitles.insetPx = 60;
  expect(log.filter((line) => line.includes("layout"))).toHaveLength(3);
});

describe("files", () => {
  const serve = (reply: () => Response | Promise<Response>) => vi.stubGlobal("fetch", vi.fn(reply));
  test("beside the film are fetched when they are chosen, once", async () => {
    serve(() => new Response(SRT));
    const { subtitles, log, settled } = stage();
    subtitles.setBeside([{ url: "http://127.0.0.1/a", name: "a.en.srt" }]);
    expect(fetch).not.toHaveBeenCalled();
    subtitles.select("beside/a.en.srt");
    await vi.waitFor(() => expect(subtitles.tracks[0]!.state).toBe("shown"));
    subtitles.select(undefined);
    subtitles.select("beside/a.en.srt");
    await settled();
    expect(fetch).toHaveBeenCalledTimes(1);
    expect(log.filter((line) => line.includes("attach"))).toHaveLength(2);
  });
  test("that can't be fetched say so, and are fetched again when chosen again", async () => {
    serve(() => new Response("", { status: 503 }));
    const { subtitles } = stage();
    subtitles.setBeside([{ url: "http://127.0.0.1/a", name: "a.srt" }]);
    subtitles.select("beside/a.srt");
    await vi.waitFor(() =>
      expect(subtitles.tracks[0]).toMatchObject({
        state: "failed",
        trouble: t("subtitlesUnreadable"),
      }),
    );
    expect(subtitles.selected).toBeUndefined();
    serve(() => new Response(SRT));
    subtitles.select("beside/a.srt");
    await vi.waitFor(() =>
      expect(subtitles.tracks[0]).toMatchObject({ state: "shown", trouble: undefined }),
    );
  });
  test("that are too large are refused, whatever length they declare", async () => {
    let sent = 0;
    const endless = () =>
      new Response(
        new ReadableStream({
          pull: (controller) => controller.enqueue(new Uint8Array((sent += 1e6) && 1e6)),
        }),
      );
    serve(endless);
    const { subtitles } = stage();
    subtitles.setBeside([{ url: "http://127.0.0.1/a", name: "a.srt" }]);
    subtitles.select("beside/a.srt");
    await vi.waitFor(() =>
      expect(subtitles.tracks[0]!.trouble).toBe(t("subtitlesTooLarge", size(10e6))),
    );
    expect(sent).toBeLessThan(20e6);
  });
  test("a fetch is aborted when another track is chosen", async () => {
    let signal: AbortSignal | undefined;
    vi.stubGlobal(
      "fetch",
      (_url: string, init: { signal: AbortSignal }) =>
        new Promise((_resolve, reject) =>
          (signal = init.signal).addEventListener("abort", () =>
            reject(new DOMException("", "AbortError")),
          ),
        ),
    );
    const { subtitles, settled, state } = stage();
    subtitles.setBeside([{ url: "http://127.0.0.1/a", name: "a.srt" }]);
    subtitles.select("beside/a.srt");
    await vi.waitFor(() => expect(signal).toBeDefined());
    subtitles.select(undefined);
    await settled();
    expect([signal!.aborted, state("beside/a.srt")]).toEqual([true, "idle"]);
  });
  test("added by the user are chosen, and unreadable ones are named", async () => {
    const { subtitles, log, settled } = stage();
    const troubles = await subtitles.addFiles([
      new File([SRT], "mine.de.srt"),
      new File(["{1}{2}Hi"], "old.sub"),
    ]);
    await settled();
    expect(troubles).toEqual([`old.sub: ${t("subtitlesMicroDvd")}`]);
    expect([subtitles.selected, subtitles.tracks[0]!.label, subtitles.preference]).toEqual([
      "own/1",
      "German",
      { language: "de", forced: false, title: undefined },
    ]);
    expect(log).toEqual(["plain attach text"]);
  });
});

describe("a remembered choice", () => {
  test("is applied as tracks arrive, until the user chooses", async () => {
    const { subtitles, settled } = stage();
    subtitles.choose({ language: "de", forced: false, title: undefined });
    expect(subtitles.selected).toBeUndefined();
    subtitles.setBeside([{ url: "u", name: "Film.de.srt" }]);
    expect(subtitles.selected).toBe("beside/Film.de.srt");
    subtitles.setInside([inside(3, "en"), inside(4, "ger")]);
    expect(subtitles.selected).toBe("inside/4");
    subtitles.select("inside/3");
    subtitles.setInside([inside(3, "en"), inside(4, "ger"), inside(5, "ger")]);
    await settled();
    expect([subtitles.selected, subtitles.preference]).toEqual([
      "inside/3",
      { language: "en", forced: false, title: undefined },
    ]);
  });
  test("of “off” stays off", () => {
    const { subtitles } = stage();
    subtitles.choose("off");
    subtitles.setInside([inside(3, "en", { forced: true })]);
    expect([subtitles.selected, subtitles.preference]).toEqual([undefined, "off"]);
  });
  test("a removed track is no longer chosen", async () => {
    const { subtitles, log, settled } = stage();
    subtitles.setInside([inside(3, "en")]);
    subtitles.select("inside/3");
    await settled();
    subtitles.setInside([]);
    expect([subtitles.selected, log.at(-1)]).toEqual([undefined, "plain detach"]);
  });
});

test("after destroy nothing is drawn or reported, and no listener is left", async () => {
  const { subtitles, log, video, settled, changes } = stage();
  subtitles.setInside([inside(3, "en"), inside(4, "de")]);
  subtitles.select("inside/3");
  await settled();
  subtitles.destroy();
  const before = changes();
  expect(log.at(-1)).toBe("plain detach");
  subtitles.take([cue(3, 1, "A")]);
  subtitles.select("inside/4");
  subtitles.setInside([]);
  video.show(4);
  for (const event of ["seeking", "timeupdate", "resize"]) video.dispatchEvent(new Event(event));
  await settled();
  expect([log.at(-1), changes(), video.frames.size, observed]).toEqual([
    "plain detach",
    before,
    0,
    0,
  ]);
});
