// Opening a film again after failures, and what a failure says about the film.

import { describe, expect, test } from "vitest";
import { classify, lackWords } from "../src/player/failure";
import { MOST_DOUBTS, MOST_FAILURES, Source } from "../src/player/source";
import { FakeClock } from "./fake_clock";

class FakeVideo {
  opened: string[] = [];
  currentTime = 0;
  duration = 100;
  paused = true;
  readyState = 0;
  error: { code: number } | null = null;
  #src = "";

  get src(): string {
    return this.#src;
  }
  set src(url: string) {
    this.#src = url;
    this.opened.push(url);
    this.error = null;
    this.readyState = 0;
    this.currentTime = 0;
    this.paused = true;
  }
  load(): void {}
  async play(): Promise<void> {
    this.paused = false;
  }
}

function rig(startAt = 0, path = "film.mp4") {
  const clock = new FakeClock();
  const video = new FakeVideo();
  const source = new Source(
    video,
    clock,
    () => path,
    () => {},
  );
  source.startAt(startAt);
  const metadata = () => {
    video.readyState = 1;
    source.handleMetadata();
  };
  const showing = (time: number) => {
    video.readyState = 4;
    video.currentTime = time;
    source.handleMove();
    source.handleShown();
  };
  const fail = (code: number) => {
    video.error = { code };
    source.handleError();
  };
  return { clock, video, source, metadata, showing, fail };
}

const NETWORK = 2;
const DECODE = 3;
const NOT_SUPPORTED = 4;

test("a film is opened once, however often its address is set", () => {
  const { video, source } = rig();
  for (let state = 0; state < 5; state++) source.setUrl("a");
  expect(video.opened).toEqual(["a"]);
});

test("a film begins where it was left", () => {
  const { video, source, metadata } = rig(42);
  source.setUrl("a");
  metadata();
  expect(video.currentTime).toBe(42);
});

test("a film continues at the same place when the daemon returns at another address", () => {
  const { video, source, metadata, showing } = rig();
  source.setUrl("a");
  metadata();
  source.handleWish(true);
  showing(33);
  source.setUrl(undefined);
  source.setUrl("b");
  expect(video.opened).toEqual(["a", "b"]);
  metadata();
  expect(video.currentTime).toBe(33);
  expect(video.paused).toBe(false);
});

test("a film of an engine continues at another address, unless it has failed", () => {
  const { video, source, metadata, showing } = rig();
  const moved: string[] = [];
  Object.assign(video, { moved: (url: string) => moved.push(url) > 0 });
  source.setUrl("a");
  metadata();
  showing(33);
  source.setUrl(undefined);
  source.setUrl("b");
  expect([video.opened, moved, source.recovering]).toEqual([["a"], ["b"], false]);
  source.handleFailure("It went wrong.", false);
  source.setUrl("c");
  expect([video.opened, moved]).toEqual([["a", "c"], ["b"]]);
});

test("a paused film stays paused", () => {
  const { video, source, metadata, showing } = rig();
  source.setUrl("a");
  metadata();
  showing(5);
  source.handleWish(false);
  source.setUrl("b");
  expect(video.paused).toBe(true);
});

test("a short absence of the daemon does not reopen the film", () => {
  const { video, source, showing } = rig();
  source.setUrl("a");
  showing(5);
  source.setUrl(undefined);
  source.setUrl("a");
  expect(video.opened).toEqual(["a"]);
});

test("a film that failed while the daemon was away is opened as soon as it is back", async () => {
  const { clock, video, source, metadata, showing, fail } = rig();
  source.setUrl("a");
  metadata();
  showing(20);
  source.setUrl(undefined);
  fail(NETWORK);
  await clock.advance(60_000);
  expect(video.opened).toEqual(["a"]);
  source.setUrl("a");
  metadata();
  expect(video.opened).toEqual(["a", "a"]);
  expect(video.currentTime).toBe(20);
});

test("with the daemon connected, a network error is retried ever later, then final", async () => {
  const { clock, video, source, fail } = rig();
  source.setUrl("a");
  for (let failure = 0; failure < MOST_FAILURES; failure++) {
    fail(NETWORK);
    expect(source.trouble).toBeUndefined();
    await clock.advance(5_000);
  }
  fail(NETWORK);
  expect(source.trouble?.words).toMatch(/could not be loaded/);
  expect(video.opened).toHaveLength(1 + MOST_FAILURES);
  source.reload();
  expect(source.trouble).toBeUndefined();
  expect(video.opened).toHaveLength(2 + MOST_FAILURES);
});

test("a film that plays on after a failure has all attempts again", async () => {
  const { clock, source, showing, fail } = rig();
  source.setUrl("a");
  for (let failure = 1; failure <= 3 * MOST_FAILURES; failure++) {
    fail(NETWORK);
    await clock.advance(5_000);
    showing(failure * 3);
  }
  expect(source.trouble).toBeUndefined();
});

test("damage after a shown frame is final after few attempts, for this place only", async () => {
  const { clock, video, source, metadata, showing, fail } = rig();
  source.setUrl("a");
  showing(50);
  for (let failure = 0; failure <= MOST_DOUBTS; failure++) {
    expect(source.trouble).toBeUndefined();
    fail(DECODE);
    await clock.advance(5_000);
    if (!source.trouble) showing(50);
  }
  expect(source.trouble).toEqual({ words: "This part can’t be played", isHere: true });
  source.seek(60);
  expect([source.trouble, video.opened.length]).toEqual([undefined, 2 + MOST_DOUBTS]);
  metadata();
  expect(video.currentTime).toBe(60);
});

test("a long network failure at one place does not blame the film at other places", async () => {
  const { clock, source, showing, fail } = rig();
  source.setUrl("a");
  showing(50);
  for (let failure = 0; failure <= MOST_FAILURES; failure++) {
    fail(NETWORK);
    await clock.advance(5_000);
  }
  expect(source.trouble?.isHere).toBe(true);
});

describe("while bytes do not arrive", () => {
  test("the film is neither tried nor blamed, and opens at its place when they do", async () => {
    for (const code of [NETWORK, DECODE, NOT_SUPPORTED]) {
      const { clock, video, source, metadata, fail } = rig(42);
      source.setUrl("a");
      source.setSupply("stopped");
      fail(code);
      await clock.advance(600_000);
      expect([source.trouble, source.recovering, video.opened.length]).toEqual([
        undefined,
        false,
        1,
      ]);
      source.setSupply("scarce");
      expect(video.opened.length).toBe(2);
      metadata();
      expect(video.currentTime).toBe(42);
    }
  });

  test("trouble reported before the torrent stopped is withdrawn", async () => {
    const { clock, video, source, fail } = rig();
    source.setUrl("a");
    for (let failure = 0; failure <= MOST_DOUBTS; failure++) {
      fail(NOT_SUPPORTED);
      await clock.advance(1_000);
    }
    expect(source.trouble).toBeDefined();
    const opened = video.opened.length;
    source.setSupply("stopped");
    expect(source.trouble).toBeUndefined();
    source.setSupply("flowing");
    expect(video.opened.length).toBe(opened + 1);
    fail(NOT_SUPPORTED);
    expect([source.trouble, source.recovering]).toEqual([undefined, true]);
  });

  test("with scarce bytes the film is tried without end", async () => {
    const { clock, video, source, fail } = rig();
    source.setUrl("a");
    source.setSupply("scarce");
    for (let failure = 0; failure < 5 * MOST_FAILURES; failure++) {
      fail(NOT_SUPPORTED);
      await clock.advance(5_000);
    }
    expect([source.trouble, video.opened.length]).toEqual([undefined, 1 + 5 * MOST_FAILURES]);
  });

  test("the user can seek to another place, which may be on disk", () => {
    const { video, source, metadata, showing, fail } = rig();
    source.setUrl("a");
    showing(10);
    source.setSupply("stopped");
    fail(NETWORK);
    source.seek(3);
    expect(video.opened.length).toBe(2);
    metadata();
    expect(video.currentTime).toBe(3);
  });

  test("trouble with another cause stays", () => {
    const { video, source } = rig();
    source.setUrl("a");
    source.handleFailure("It needs ffmpeg.", true);
    source.setSupply("stopped");
    source.setSupply("flowing");
    expect([source.trouble?.words, video.opened.length]).toEqual(["It needs ffmpeg.", 1]);
  });
});

test("after a failure, a seek and a retry, the film is at the seek's time", async () => {
  const { clock, video, source, metadata, showing, fail } = rig();
  source.setUrl("a");
  showing(50);
  source.setUrl(undefined);
  fail(NETWORK);
  source.seek(70);
  source.setUrl("a");
  fail(NETWORK);
  await clock.advance(0);
  source.reload();
  metadata();
  expect(video.currentTime).toBe(70);
});

test("damage reported by an engine concerns one place, once the film was shown", () => {
  const { source, showing } = rig();
  source.setUrl("a");
  source.handleFailure("This file is damaged.", true, true);
  expect(source.trouble).toEqual({ words: "This file is damaged.", isHere: false });
  source.reload();
  showing(5);
  source.handleFailure("This file is damaged.", true, true);
  expect(source.trouble?.isHere).toBe(true);
});

test("a file that never showed anything is doubted after a few attempts", async () => {
  const { clock, video, source, fail } = rig();
  source.setUrl("a");
  for (let failure = 0; failure < MOST_DOUBTS; failure++) {
    fail(NOT_SUPPORTED);
    expect(source.trouble).toBeUndefined();
    await clock.advance(1_000);
  }
  fail(NOT_SUPPORTED);
  expect(source.trouble?.words).toMatch(/no decoder/);
  expect(video.opened).toHaveLength(1 + MOST_DOUBTS);
});

test("a kind of file that Chrome never plays is reported at once", async () => {
  const { clock, video, source, fail } = rig(0, "old film.avi");
  source.setUrl("a");
  fail(NOT_SUPPORTED);
  await clock.advance(60_000);
  expect(source.trouble?.words).toMatch(/AVI/);
  expect(video.opened).toHaveLength(1);
});

describe("an error means", () => {
  const check = (code: number, shown: boolean, kind: string) =>
    expect(classify(code, "a.mp4", shown).kind).toBe(kind);
  test("an interruption when the network broke", () => check(NETWORK, false, "interrupted"));
  test("an interruption when the film was shown before", () => {
    check(NETWORK, true, "interrupted");
    check(NOT_SUPPORTED, true, "interrupted");
  });
  test("perhaps damage when the film was shown before and can't be decoded here", () =>
    check(DECODE, true, "damaged"));
  test("perhaps a codec that Chrome lacks, when nothing was ever shown", () => {
    check(DECODE, false, "doubtful");
    check(NOT_SUPPORTED, false, "doubtful");
  });
});

test("what a film lacks is shown, the picture first", () => {
  expect(lackWords({ picture: true, sound: true })).toMatch(/HEVC/);
  expect(lackWords({ picture: false, sound: true })).toMatch(/AC-3/);
  expect(lackWords({ picture: false, sound: false })).toBeUndefined();
});

test("a failure of the engine is final, or is retried", async () => {
  const { clock, video, source, metadata, showing } = rig();
  source.setUrl("a");
  metadata();
  showing(12);
  source.handleFailure("The daemon does not answer.", false);
  expect([source.trouble, source.recovering]).toEqual([undefined, true]);
  await clock.advance(1_000);
  expect(video.opened).toEqual(["a", "a"]);
  metadata();
  expect(video.currentTime).toBe(12);
  source.handleFailure("This file is damaged.", true);
  expect(source.trouble?.words).toBe("This file is damaged.");
  await clock.advance(60_000);
  expect(video.opened).toEqual(["a", "a"]);
});
