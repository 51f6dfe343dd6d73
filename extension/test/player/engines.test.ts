// The engines that a worker feeds, the inspection of films, and the words about both.

import { describe, expect, test, vi } from "vitest";
import type { Film as Inspected, FromWorker, ToWorker, Verdict } from "../../src/media/protocol";
import type { Film } from "../../src/player/engines/engine";
import { ability, FfmpegEngine } from "../../src/player/engines/ffmpeg";
import { inspectFilm, InspectionFailed } from "../../src/player/engines/inspection";
import { MseEngine } from "../../src/player/engines/mse";
import { installCommand, verdictWords } from "../../src/player/engines/words";

class FakeWorker extends EventTarget {
  readonly heard: ToWorker[] = [];
  terminated = false;
  postMessage(message: ToWorker): void {
    this.heard.push(message);
  }
  terminate(): void {
    this.terminated = true;
  }
  say(data: FromWorker): void {
    if (!this.terminated) this.dispatchEvent(Object.assign(new Event("message"), { data }));
  }
}

class FakeVideo extends EventTarget {
  src = "";
  srcObject: unknown = null;
  currentTime = 0;
  duration = NaN;
  loads = 0;
  audioTracks: { id: string; label: string; language: string; enabled: boolean }[] | undefined;
  load(): void {
    this.loads += 1;
  }
  canPlayType(): string {
    return "";
  }
  removeAttribute(): void {
    this.src = "";
  }
}

const FILM: Film = {
  url: "http://127.0.0.1:1/stream/f?key=k",
  path: "a/film.mkv",
  length: 10,
  contentType: "video/x-matroska",
};
const track = (
  id: number,
  name: string,
  sound: "copied" | "transcoded" | "impossible",
  path: "native" | "mse" | "ffmpeg",
) => ({
  id,
  codec: name,
  name,
  channels: 2,
  sampleRate: 48_000,
  language: "eng",
  title: name,
  isDefault: id === 1,
  forced: false,
  sound,
  path,
});
const inspected: Inspected = {
  container: "matroska",
  duration: 60,
  origin: 0,
  subtitles: [],
  chapters: [],
  video: [{ id: 0, codec: "avc1.640028", name: "H.264", width: 1, height: 1 }],
  audio: [track(1, "AC-3", "transcoded", "mse"), track(2, "TrueHD", "impossible", "ffmpeg")],
};
const mse: Verdict = { path: "mse", reason: "sound_transcoded" };

function look(signal = new AbortController().signal) {
  const worker = new FakeWorker();
  return {
    worker,
    result: inspectFilm(
      FILM,
      signal,
      () => worker as unknown as Worker,
      () => "maybe",
    ),
  };
}

function engines(Kind: typeof MseEngine | typeof FfmpegEngine) {
  const video = new FakeVideo();
  const workers: FakeWorker[] = [];
  const listener = { audio: vi.fn(), failed: vi.fn(), inspected: vi.fn() };
  const engine = new Kind(video as unknown as HTMLVideoElement, listener, () => {
    workers.push(new FakeWorker());
    return workers.at(-1) as unknown as Worker;
  });
  return { video, workers, listener, engine };
}

describe("an inspection", () => {
  test("returns what the worker found, and ends the worker with the signal", async () => {
    const ending = new AbortController();
    const { worker, result } = look(ending.signal);
    expect(worker.heard[0]).toMatchObject({ kind: "open", url: FILM.url });
    worker.say({ kind: "opened", film: inspected, verdict: mse });
    expect(await result).toMatchObject({ film: inspected, verdict: mse });
    expect(worker.terminated).toBe(false);
    ending.abort();
    expect(worker.terminated).toBe(true);
  });
  test("fails with a sentence", async () => {
    const { worker, result } = look();
    worker.say({ kind: "trouble", trouble: "unreachable", detail: "x" });
    await expect(result).rejects.toThrow("The daemon does not answer.");
    await expect(result).rejects.toSatisfy(
      (error) => error instanceof InspectionFailed && !error.isFinal,
    );
    expect(worker.terminated).toBe(true);
  });
  test("ends at once when it is aborted", async () => {
    const ending = new AbortController();
    const { worker, result } = look(ending.signal);
    ending.abort();
    await expect(result).rejects.toThrow(/abort/i);
    expect(worker.terminated).toBe(true);
  });
  test("asks the worker for a length that the head lacks", async () => {
    const { worker, result } = look();
    worker.say({ kind: "opened", film: { ...inspected, duration: undefined }, verdict: mse });
    const length = (await result).length();
    expect(worker.heard[1]).toEqual({ kind: "length", id: 0 });
    worker.say({ kind: "length", id: 0, duration: 12.5 });
    expect(await length).toBe(12.5);
  });
});

describe("engines that a worker feeds", () => {
  test("an engine goes on with the inspection's worker at the film's present address", async () => {
    const ending = new AbortController();
    const { worker, result } = look(ending.signal);
    worker.say({ kind: "opened", film: inspected, verdict: mse });
    const { engine, workers, listener } = engines(MseEngine);
    engine.adopt(await result);
    engine.open({ ...FILM, url: "http://127.0.0.1:2/stream/f?key=k" }, 7);
    await Promise.resolve();
    expect(workers).toEqual([]);
    expect(worker.heard.slice(1)).toEqual([
      { kind: "address", url: "http://127.0.0.1:2/stream/f?key=k" },
      { kind: "play", at: 7, audio: undefined },
    ]);
    ending.abort();
    expect(worker.terminated).toBe(false);
    expect(listener.inspected).not.toHaveBeenCalled();
    await engine.destroy();
    expect(worker.terminated).toBe(true);
  });
  test("a worker learns that the daemon is away, also a worker that starts then", () => {
    const { engine, workers } = engines(MseEngine);
    engine.open(FILM, 0);
    for (const connected of [true, false, false, true]) engine.linked(connected);
    expect(workers[0]!.heard.slice(1)).toEqual([
      { kind: "link", connected: false },
      { kind: "link", connected: true },
    ]);
    engine.linked(false);
    engine.open(FILM, 0);
    expect(workers[1]!.heard.map(({ kind }) => kind)).toEqual(["link", "open"]);
  });
  test("an inspection of another film is not used", async () => {
    const { worker, result } = look();
    worker.say({ kind: "opened", film: inspected, verdict: mse });
    const { engine, workers } = engines(MseEngine);
    engine.adopt(await result);
    engine.open({ ...FILM, path: "another.mkv" }, 0);
    expect(workers).toHaveLength(1);
    expect(worker.heard).toHaveLength(1);
  });
  test("a film begins with the sound track that was chosen before", () => {
    const { engine, workers } = engines(FfmpegEngine);
    engine.open(FILM, 3);
    engine.selectAudio("2");
    workers[0]!.say({ kind: "opened", film: inspected, verdict: mse });
    expect(workers[0]!.heard.at(-1)).toEqual({ kind: "convert", at: 3, audio: 2 });
    engine.selectAudio("1");
    expect(workers[0]!.heard.at(-1)).toEqual({ kind: "audio", track: 1 });
    engine.selectAudio("9");
    expect(workers[0]!.heard.at(-1)).toEqual({ kind: "audio", track: 1 });
  });
  test("each engine offers the tracks that it can play", () => {
    for (const [Kind, expected] of [
      [MseEngine, ["1"]],
      [FfmpegEngine, ["1", "2"]],
    ] as const) {
      const { engine, workers, listener } = engines(Kind);
      engine.open(FILM, 0);
      workers[0]!.say({ kind: "opened", film: inspected, verdict: mse });
      workers[0]!.say({ kind: "audio", track: 1 });
      expect(listener.audio.mock.calls[0]![0].map(({ id }: { id: string }) => id)).toEqual(
        expected,
      );
    }
  });
  test("a film that the engines can't play is explained in words", () => {
    const cases = [
      [MseEngine, { path: "ffmpeg", reason: "video_codec" }, "Chrome can’t play this file."],
      [FfmpegEngine, { path: "none", reason: "encrypted" }, "Encrypted: can’t be played."],
    ] as const;
    for (const [Kind, verdict, words] of cases) {
      const { engine, workers, listener } = engines(Kind);
      engine.open(FILM, 0);
      workers[0]!.say({ kind: "opened", film: inspected, verdict });
      expect(listener.failed).toHaveBeenCalledWith(expect.stringContaining(words), true, false);
    }
  });
  test("the daemon's sentence is unchanged, and a busy daemon is not final", () => {
    const { engine, workers, listener } = engines(FfmpegEngine);
    engine.open(FILM, 0);
    workers[0]!.say({ kind: "trouble", trouble: "converter", detail: "ffmpeg 2.8 is too old." });
    workers[0]!.say({
      kind: "trouble",
      trouble: "busy",
      detail: "Two films are being converted already.",
    });
    expect(listener.failed.mock.calls).toEqual([
      ["ffmpeg 2.8 is too old.", true, false],
      ["Two films are being converted already.", false, false],
    ]);
  });
});

describe("words", () => {
  const check = (verdict: Verdict, film: Partial<Inspected>, expected: string) =>
    expect(verdictWords(verdict, { ...inspected, ...film })).toBe(expected);
  const video = (name: string) => ({ video: [{ ...inspected.video[0]!, name }] });
  test("say what a film needs", () => {
    check({ path: "ffmpeg", reason: "video_codec" }, video("HEVC"), "HEVC video: needs ffmpeg.");
    check(
      { path: "ffmpeg", reason: "container" },
      { ...video("MPEG-4 (Xvid)"), container: "avi" },
      "MPEG-4 (Xvid) video in AVI: needs ffmpeg.",
    );
    check(
      { path: "ffmpeg", reason: "container" },
      { video: [], audio: [], container: "other" },
      "A container that Chrome doesn’t know: needs ffmpeg.",
    );
    check(
      { path: "ffmpeg", reason: "audio_codec" },
      { audio: [track(1, "TrueHD", "impossible", "ffmpeg")] },
      "TrueHD sound: needs ffmpeg.",
    );
    check({ path: "none", reason: "encrypted" }, {}, "Encrypted: can’t be played.");
    check(
      { path: "mse", reason: "container" },
      { container: "mpegts" },
      "H.264 video in MPEG-TS: plays here.",
    );
    check(mse, {}, "AC-3 sound: decoded here.");
    check({ path: "native", reason: "plays_as_is" }, {}, "Plays as it is.");
  });
  test("name the command of the platform", () => {
    expect(["Linux x86_64", "macOS", "MacIntel", "Windows", "Win32"].map(installCommand)).toEqual([
      "sudo apt install ffmpeg",
      "brew install ffmpeg",
      "brew install ffmpeg",
      "winget install ffmpeg",
      "winget install ffmpeg",
    ]);
  });
});

describe("what the daemon can convert", () => {
  const ask = (reply: () => Response) =>
    ability("http://127.0.0.1:9", undefined, ((url: URL) =>
      url.href === "http://127.0.0.1:9/convert"
        ? Promise.resolve().then(reply)
        : Promise.reject(new Error(url.href))) as unknown as typeof fetch);
  test("is returned, or the reason why it can't, or nothing", async () => {
    expect(
      await ask(() =>
        Response.json({ ffmpeg: { version: "5.1", video: "libx264", sound: "aac" } }),
      ),
    ).toEqual({
      kind: "ready",
      version: "5.1",
      video: "libx264",
      sound: "aac",
    });
    expect(await ask(() => Response.json({ problem: "There is no ffmpeg." }))).toEqual({
      kind: "problem",
      words: "There is no ffmpeg.",
    });
    expect(await ask(() => new Response("no", { status: 403 }))).toBeUndefined();
    expect(
      await ask(() => {
        throw new TypeError("failed");
      }),
    ).toBeUndefined();
  });
});
