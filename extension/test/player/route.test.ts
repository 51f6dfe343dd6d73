// What a player does with the verdict of an inspection.

import { beforeEach, expect, test, vi } from "vitest";
import type { Film, Verdict } from "../../src/media/protocol";
import type { FedListener } from "../../src/player/engines/fed";
import { Route, type RouteParts } from "../../src/player/route";

/** An engine that only records its kind. */
class FakeEngine {
  static made: FakeEngine[] = [];
  selected: string[] = [];
  constructor(
    readonly kind: "mse" | "ffmpeg",
    readonly listener: FedListener,
  ) {
    FakeEngine.made.push(this);
  }
  adopt(): void {}
  selectAudio(id: string): void {
    this.selected.push(id);
  }
}

let inspection: { film: Film; verdict: Verdict };
vi.mock("../../src/player/engines/mse", () => ({
  MseEngine: class extends FakeEngine {
    constructor(_video: unknown, listener: FedListener) {
      super("mse", listener);
    }
  },
}));
vi.mock("../../src/player/engines/ffmpeg", () => ({
  FfmpegEngine: class extends FakeEngine {
    constructor(_video: unknown, listener: FedListener) {
      super("ffmpeg", listener);
    }
  },
}));
vi.mock("../../src/player/engines/inspection", () => ({ inspectFilm: async () => inspection }));
vi.mock("../../src/player/engines/explanation", () => ({
  explanation: async () => ({ text: "needs ffmpeg", command: "apt install ffmpeg" }),
}));

beforeEach(() => {
  FakeEngine.made = [];
  vi.stubGlobal("MediaSource", { canConstructInDedicatedWorker: true });
});

const track = (id: number, language: string, isDefault = false) =>
  ({ id, language, title: undefined, isDefault, sound: "copied" }) as Film["audio"][number];
const film = (...audio: Film["audio"]): Film => ({
  container: "mp4",
  duration: 60,
  origin: 0,
  video: [],
  audio,
  subtitles: [],
  chapters: [],
});

/** A route for a film with this path. `log` records the engines and what the source is told. */
function rig(path: string, choices: Record<string, string> = {}) {
  const log: string[] = [];
  const video = Object.assign(new EventTarget(), { error: null });
  const carrier = {
    src: "http://127.0.0.1:1/f",
    isPlain: true,
    use(engine: FakeEngine | undefined) {
      this.isPlain = engine === undefined;
      log.push(`use ${engine?.kind ?? "video"}`);
    },
    selectAudio: (id: string) => log.push(`audio ${id}`),
    beginWith: (id: string) => log.push(`begin with ${id}`),
  };
  const source = {
    trouble: undefined,
    reload: () => log.push("reload"),
    handleFailure: (words: string, isFinal: boolean) => log.push(`fail ${words} ${isFinal}`),
  };
  const parts = {
    video,
    carrier,
    source,
    captions: { setInside: () => {}, take: () => {} },
    link: () => ({ kind: "starting" }),
    described: () => ({ path, length: 10, contentType: "" }),
    choices: () => choices,
    isStopped: () => false,
    changed: () => {},
    signal: new AbortController().signal,
  };
  const route = new Route(parts as unknown as RouteParts);
  const settled = () => new Promise((resolve) => setTimeout(resolve, 0));
  return { route, video, log, settled };
}

test("a film that Chrome often can't play is inspected before it is opened", async () => {
  const { route, log } = rig("film.mkv");
  const prepared = route.prepare("film.mkv");
  expect(prepared).toBeDefined();
  await prepared;
  expect(log).toEqual(["use mse"]);
});

test("an ordinary film is opened at once, and inspected when it is open", async () => {
  const { route, video, log, settled } = rig("film.mp4");
  inspection = { film: film(), verdict: { path: "native", reason: "plays_as_is" } };
  expect(route.prepare("film.mp4")).toBeUndefined();
  await settled();
  expect(route.durationS).toBeUndefined();
  video.dispatchEvent(new Event("loadeddata"));
  await settled();
  expect([route.durationS, log]).toEqual([60, []]);
});

test.each([
  ["native", "plays_as_is", ["use mse", "use video", "reload"]],
  ["mse", "container", ["use mse"]],
  ["ffmpeg", "video_codec", ["use mse", "use video", "use ffmpeg", "reload"]],
  ["none", "encrypted", ["use mse", "use video", "fail needs ffmpeg true"]],
] as const)(
  "the verdict %s of an inspection decides what plays it",
  async (path, reason, steps) => {
    const { route, log, settled } = rig("film.mkv");
    await route.prepare("film.mkv");
    FakeEngine.made[0]!.listener.inspected!(film(), { path, reason });
    await settled();
    expect(log).toEqual(steps);
    expect(route.remedy).toBe(path === "none" ? "apt install ffmpeg" : undefined);
  },
);

test("a film that plays without sound is opened again through the worker", async () => {
  const { route, video, log, settled } = rig("film.mp4");
  inspection = { film: film(), verdict: { path: "mse", reason: "sound_transcoded" } };
  route.prepare("film.mp4");
  video.dispatchEvent(new Event("loadeddata"));
  await settled();
  expect(log).toEqual(["use mse", "reload"]);
});

test("several sound tracks of a film are offered, and the preferred one plays", async () => {
  inspection = {
    film: film(track(1, "en", true), track(2, "de")),
    verdict: { path: "native", reason: "plays_as_is" },
  };
  for (const [choices, steps] of [
    [{}, []],
    [{ audio: "de" }, ["begin with 2", "use mse", "reload"]],
  ] as const) {
    const { route, video, log, settled } = rig("film.mp4", choices);
    route.prepare("film.mp4");
    video.dispatchEvent(new Event("loadeddata"));
    await settled();
    expect(route.audio.map(({ id }) => id)).toEqual(["1", "2"]);
    expect(route.selectedAudio).toBe("1");
    expect(log).toEqual(steps);
  }
});

test("a single sound track is not offered", async () => {
  const { route, video, settled } = rig("film.mp4");
  inspection = {
    film: film(track(1, "en", true)),
    verdict: { path: "native", reason: "plays_as_is" },
  };
  route.prepare("film.mp4");
  video.dispatchEvent(new Event("loadeddata"));
  await settled();
  expect(route.audio).toEqual([]);
});

test("a browser without Media Source Extensions in workers plays films by itself", () => {
  vi.stubGlobal("MediaSource", { canConstructInDedicatedWorker: false });
  const { route, log } = rig("film.mkv");
  expect([route.prepare("film.mkv"), log]).toEqual([undefined, []]);
});
