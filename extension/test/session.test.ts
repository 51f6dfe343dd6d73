// One opening of a film in the player: begin, position, failures and paused torrents.

import { beforeEach, expect, test, vi } from "vitest";
import { FakeHost } from "../src/host/fake";
import type { TopicUpdate } from "../src/model/generated/TopicUpdate";
import { topicOf } from "../src/player/film_name";
import { Session } from "../src/player/session";
import { FakeClock } from "./fake_clock";
import { file, HASH, torrent } from "./samples";

const CONNECTED = { kind: "connected", baseUrl: "http://127.0.0.1:80", version: "1" } as const;
const FIRST = { infoHash: HASH, index: 0 };
const SECOND = { infoHash: HASH, index: 1 };

/** The part of a `<video>` that a session uses. */
class FakeVideo extends EventTarget {
  src = "";
  currentTime = 0;
  duration = 100;
  paused = true;
  seeking = false;
  ended = false;
  autoplay = false;
  readyState = 0;
  error: { code: number } | null = null;
  videoWidth = 10;
  webkitAudioDecodedByteCount = 10;
  loads: string[] = [];
  refuses = false;
  load(): void {
    this.loads.push(this.src);
  }
  removeAttribute(): void {
    this.src = "";
  }
  play(): Promise<void> {
    if (this.refuses) return Promise.reject(new DOMException("a click first", "NotAllowedError"));
    this.paused = false;
    return Promise.resolve();
  }
  say(...types: string[]): void {
    for (const type of types) this.dispatchEvent(new Event(type));
  }
}

beforeEach(() => {
  vi.stubGlobal("HTMLMediaElement", { HAVE_FUTURE_DATA: 3 });
});

let revision = 0;
function told(index: number, more = {}): TopicUpdate {
  const url = `/stream/${index}?key=k`;
  const film = {
    torrent: torrent(),
    file: file({ index, path: `${index}.mp4`, url }),
    streams: [],
    ...more,
  };
  return {
    topic: topicOf({ infoHash: HASH, index }),
    from: null,
    revision: ++revision,
    change: { kind: "film", film },
  };
}

function rig(startAt?: number) {
  const host = new FakeHost();
  const video = new FakeVideo();
  const clock = new FakeClock();
  const open = (name = FIRST, at = startAt) => {
    host.follow([topicOf(name)]);
    return new Session(
      {
        host,
        video: video as unknown as HTMLVideoElement,
        layer: {} as HTMLElement,
        clock,
        subtitleSize: 1,
        isOpenedByHand: true,
        changed: () => {},
      },
      name,
      at,
    );
  };
  const places = () =>
    host.asked.flatMap((asked) =>
      asked.kind === "watched" ? [[asked.file, asked.positionS]] : [],
    );
  return { host, video, clock, places, open };
}

test("a film opens when the engine and the daemon know it, and plays", () => {
  const { host, video, open } = rig();
  const session = open();
  expect([session.status.text, video.loads]).toEqual(["Starting the engine…", []]);
  host.tell({ kind: "connecting" }, told(0));
  expect(video.loads).toEqual([]);
  host.tell(CONNECTED);
  expect(video.loads).toEqual(["http://127.0.0.1:80/stream/0?key=k&part=1048576"]);
  expect(video.paused).toBe(false);
});

test("a film is not reported missing before the engine has sent its state", () => {
  const { host, open } = rig();
  const session = open();
  host.tell(CONNECTED);
  expect(session.status.text).toBe("Opening…");
  host.tell(CONNECTED, told(0, { torrent: null, file: null }));
  expect(session.status.text).toBe("This torrent is not in the list. It may have been removed.");
});

test("a film begins at the address's time, or else where it was left", () => {
  for (const [at, expected] of [
    [undefined, 40],
    [7, 7],
    [0, 0],
  ] as const) {
    const { host, video, open } = rig(at);
    open();
    host.tell(CONNECTED, told(0, { file: file({ positionS: 40 }) }));
    video.readyState = 1;
    video.say("loadedmetadata");
    expect(video.currentTime).toBe(expected);
  }
});

/** The video plays for a moment and reaches a time. */
function plays(video: FakeVideo, at: number): void {
  Object.assign(video, { readyState: 4, currentTime: at - 0.5 });
  video.say("timeupdate");
  video.currentTime = at;
  video.say("timeupdate");
}

test("the position is reported every few seconds, at pauses and the end, never twice", async () => {
  const { host, video, clock, places, open } = rig();
  const session = open();
  host.tell(CONNECTED, told(0));
  plays(video, 30);
  await clock.advance(10_000);
  expect(places()).toEqual([[0, 30]]);
  plays(video, 40);
  video.say("pause");
  plays(video, 50);
  await session.destroy();
  expect(places()).toEqual([
    [0, 30],
    [0, 40],
    [0, 50],
  ]);
});

test("a film that was only opened reports no position", async () => {
  const { host, video, places, open } = rig();
  const session = open();
  host.tell(CONNECTED, told(0, { file: file({ positionS: 40 }) }));
  Object.assign(video, { readyState: 4, currentTime: 40 });
  await session.destroy();
  expect(places()).toEqual([]);
});

test("an ended session ignores the video and the daemon, which the next film uses", async () => {
  const { host, video, clock, places, open } = rig();
  const session = open();
  host.tell(CONNECTED, told(0));
  video.readyState = 4;
  await session.destroy();
  await session.destroy();
  expect(host.listening).toBe(0);
  expect(video.src).toBe("");
  const loads = video.loads.length;
  video.error = { code: 2 };
  video.say("error");
  await clock.advance(60_000);
  expect(video.loads.length).toBe(loads);

  video.error = null;
  open(SECOND);
  host.tell(CONNECTED, told(1));
  expect(video.loads.at(-1)).toBe("http://127.0.0.1:80/stream/1?key=k&part=1048576");
  expect(video.autoplay).toBe(true);
  plays(video, 20);
  await clock.advance(5_000);
  expect(places()).toEqual([[1, 20]]);
});

test("a browser that requires a click shows a button", async () => {
  const { host, video, open } = rig();
  video.refuses = true;
  const session = open();
  host.tell(CONNECTED, told(0));
  video.readyState = 4;
  video.say("canplay");
  await Promise.resolve();
  await Promise.resolve();
  expect(session.blocked).toBe(true);
  video.say("playing");
  expect(session.blocked).toBe(false);
});

test("sound that was never decoded is reported after some seconds of playing", () => {
  const { host, video, open } = rig();
  const session = open();
  host.tell(CONNECTED, told(0));
  Object.assign(video, { readyState: 4, webkitAudioDecodedByteCount: 0 });
  for (let at = 0.5; at < 4; at += 0.5) {
    video.currentTime = at;
    video.say("timeupdate");
  }
  expect(session.hint).toContain("sound");
});

test("a film that is paused while it opens does not start", () => {
  const { host, video, open } = rig();
  open();
  host.tell(CONNECTED, told(0));
  video.paused = true;
  video.say("pause");
  video.readyState = 4;
  video.say("canplay");
  expect(video.paused).toBe(true);
});

test("a seek before the film is open, or after a failure, decides where it opens", () => {
  const { host, video, open } = rig();
  const session = open();
  host.tell(CONNECTED, told(0, { file: file({ positionS: 40 }) }));
  session.seek(12);
  video.readyState = 1;
  video.say("loadedmetadata");
  expect(video.currentTime).toBe(12);
  video.error = { code: 3 };
  video.say("error");
  const loads = video.loads.length;
  session.seek(70);
  expect(video.loads.length).toBe(loads + 1);
  video.error = null;
  video.say("loadedmetadata");
  expect(video.currentTime).toBe(70);
});

test("two quick choices are both kept, before the engine has confirmed the first", () => {
  const { host, open } = rig();
  const session = open();
  host.tell(CONNECTED, told(0));
  session["route"].audio = [
    { id: "1", label: "", language: "de" },
    { id: "2", label: "", language: "en" },
  ];
  session.selectAudio("2");
  session.selectSubtitles(undefined);
  const chosen = host.asked.flatMap((asked) => (asked.kind === "choose" ? [asked.choices] : []));
  expect(chosen[0]).toEqual({ audio: "en" });
  expect(chosen.every(({ audio }) => audio === "en")).toBe(true);
});

const resumes = (host: FakeHost) => host.asked.filter(({ kind }) => kind === "resume").length;
const state = (state: "paused" | "error" | "downloading", more = {}) =>
  told(0, { torrent: torrent({ state, message: "The disk is full." }), ...more });

test("opening a film resumes its paused torrent once, and the button resumes it again", () => {
  const { host, video, open } = rig();
  const session = open();
  host.tell(CONNECTED, state("paused"));
  expect(resumes(host)).toBe(1);
  host.tell(CONNECTED, state("downloading"));
  Object.assign(video, { readyState: 4 });
  host.tell(CONNECTED, state("paused"));
  expect([session.status.text, session.status.action?.does, resumes(host)]).toEqual([
    "Paused. Resume to keep watching",
    "resume",
    1,
  ]);
  session.resume();
  expect(resumes(host)).toBe(2);
});

test("a paused torrent that has the whole film plays it and stays paused", () => {
  const { host, video, open } = rig();
  open();
  host.tell(CONNECTED, state("paused", { file: file({ verified: 1000 }) }));
  expect([resumes(host), video.loads.length]).toEqual([0, 1]);
});

test("a paused torrent is no failure of the film, which continues where it was", async () => {
  const { host, video, clock, open } = rig();
  const session = open();
  host.tell(CONNECTED, told(0));
  plays(video, 30);
  host.tell(CONNECTED, state("paused"));
  Object.assign(video, { error: { code: 4 }, readyState: 0 });
  video.say("error");
  const loads = video.loads.length;
  await clock.advance(60_000);
  expect([video.loads.length, session.status.text]).toEqual([
    loads,
    "Paused. Resume to keep watching",
  ]);
  expect(session.beginsAtS).toBe(30);
  video.error = null;
  host.tell(CONNECTED, state("downloading"));
  expect(video.loads.length).toBe(loads + 1);
  video.readyState = 1;
  video.say("loadedmetadata");
  expect(video.currentTime).toBe(30);
});

test("a film on a full disk is retried every few seconds, and the page says why", async () => {
  const { host, video, clock, open } = rig();
  const session = open();
  host.tell(CONNECTED, told(0));
  plays(video, 30);
  host.tell(CONNECTED, state("error"));
  await clock.advance(60_000);
  expect(resumes(host)).toBe(0);
  Object.assign(video, { error: { code: 2 }, readyState: 0 });
  video.say("error");
  await clock.advance(60_000);
  expect([session.status.text, resumes(host)]).toEqual(["The disk is full.", 4]);
  host.tell(CONNECTED, state("downloading"));
  await clock.advance(60_000);
  expect(resumes(host)).toBe(4);
  await session.destroy();
});

test("the button to try again also resumes a stopped torrent", () => {
  const { host, open } = rig();
  const session = open();
  host.tell(CONNECTED, told(0));
  session.reload();
  expect(resumes(host)).toBe(0);
  host.tell(CONNECTED, state("error"));
  session.reload();
  expect(resumes(host)).toBe(1);
});

test("a button skips a place that can't be played", async () => {
  const { host, video, clock, open } = rig();
  const session = open();
  host.tell(CONNECTED, told(0));
  plays(video, 30);
  video.say("playing", "durationchange");
  for (let failure = 0; failure < 3; failure++) {
    video.error = { code: 3 };
    video.say("error");
    await clock.advance(5_000);
  }
  expect(session.status).toMatchObject({
    text: "This part can’t be played",
    action: { does: "skip" },
  });
  session.skip();
  video.error = null;
  video.say("loadedmetadata");
  expect(video.currentTime).toBe(40);
});
