import { describe, expect, test } from "vitest";
import { classify } from "../src/player/failure";
import { MOST_FAILURES, Source } from "../src/player/source";
import { FakeClock } from "./fake_clock";

class FakeVideo {
  opened: string[] = [];
  currentTime = 0;
  duration = 100;
  paused = true;
  readyState = 0;
  error: { code: number; message: string } | null = null;
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

function rig(startAt = 0) {
  const clock = new FakeClock();
  const video = new FakeVideo();
  const source = new Source(video, clock, () => "film.mp4", () => {}, startAt);
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
  const fail = (code: number, message = "") => {
    video.error = { code, message };
    source.handleError();
  };
  return { clock, video, source, metadata, showing, fail };
}

const NETWORK = 2;
const SOURCE = 4;

test("a film is opened once, however often its address is said", () => {
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

test("a daemon that comes back elsewhere is followed, to the same place, playing on", () => {
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

test("a film that was paused stays so", () => {
  const { video, source, metadata, showing } = rig();
  source.setUrl("a");
  metadata();
  showing(5);
  source.handleWish(false);
  source.setUrl("b");
  expect(video.paused).toBe(true);
});

test("a daemon that is away for a moment leaves the film alone: it resumes by itself", () => {
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

test("a network error with the daemon there is tried again, ever later, and given up in the end", async () => {
  const { clock, video, source, fail } = rig();
  source.setUrl("a");
  for (let failure = 0; failure < MOST_FAILURES; failure++) {
    fail(NETWORK);
    expect(source.trouble).toBeUndefined();
    await clock.advance(5_000);
  }
  fail(NETWORK);
  expect(source.trouble).toMatch(/could not be played/);
  expect(video.opened).toHaveLength(1 + MOST_FAILURES);
  source.reload();
  expect(source.trouble).toBeUndefined();
  expect(video.opened).toHaveLength(2 + MOST_FAILURES);
});

test("what was shown in between makes the count start anew", async () => {
  const { clock, source, showing, fail } = rig();
  source.setUrl("a");
  for (let failure = 0; failure < 3 * MOST_FAILURES; failure++) {
    fail(NETWORK);
    await clock.advance(5_000);
    showing(failure);
  }
  expect(source.trouble).toBeUndefined();
});

test("a codec that Chrome lacks is said at once and not tried again", async () => {
  const { clock, video, source, fail } = rig();
  source.setUrl("a");
  fail(SOURCE, "DEMUXER_ERROR_NO_SUPPORTED_STREAMS: FFmpegDemuxer: no supported streams");
  await clock.advance(60_000);
  expect(source.trouble).toMatch(/HEVC/);
  expect(video.opened).toHaveLength(1);
});

describe("an error means", () => {
  test("an interruption when the network broke", () => expect(classify(2, "", "a.mp4", true).kind).toBe("interrupted"));
  test("an interruption when nothing could be read", () => expect(classify(4, "MEDIA_ELEMENT_ERROR: Format error", "a.mp4", true).kind).toBe("interrupted"));
  test("a damaged file when nothing was shown", () => expect(classify(3, "PIPELINE_ERROR_DECODE", "a.mp4", false).kind).toBe("final"));
  test("a container that Chrome lacks", () => {
    expect(classify(4, "DEMUXER_ERROR_COULD_NOT_OPEN", "a.avi", false)).toMatchObject({ words: expect.stringMatching(/AVI/) });
  });
});
