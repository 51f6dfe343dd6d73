// How the controls use the system: the wake lock, the media panel, storage.

import { beforeEach, expect, test, vi } from "vitest";
import type { MediaState } from "../../src/player/controls/media_state";
import { SystemPanel } from "../../src/player/controls/media_session";
import { recallControls, rememberControls } from "../../src/player/controls/memory";
import type { Lock } from "../../src/player/controls/wake_lock";
import { WakeLock } from "../../src/player/controls/wake_lock";
import { settle } from "../fake_clock";

class FakeLock implements Lock {
  released = false;
  async release(): Promise<void> {
    this.released = true;
  }
}

/** A browser that grants wake locks. `answer` decides when a request is answered. */
function screen() {
  const locks: FakeLock[] = [];
  const scene = { visible: true, refuse: false, answer: Promise.resolve() };
  const request = async () => {
    await scene.answer;
    if (scene.refuse) throw new DOMException("no", "NotAllowedError");
    const lock = new FakeLock();
    locks.push(lock);
    return lock;
  };
  const wake = new WakeLock({ request }, () => scene.visible);
  return { locks, scene, wake, held: () => locks.filter((lock) => !lock.released).length };
}

test("one wake lock is held while it is wanted", async () => {
  const { wake, locks, held } = screen();
  wake.want(true);
  await settle();
  wake.want(true);
  await settle();
  expect([locks.length, held()]).toEqual([1, 1]);
  wake.want(false);
  await settle();
  expect(held()).toBe(0);
});

test("a page that becomes visible requests the lock again", async () => {
  const { wake, scene, locks, held } = screen();
  wake.want(true);
  await settle();
  scene.visible = false;
  locks[0]!.released = true;
  wake.handleVisibility();
  await settle();
  expect(held()).toBe(0);
  scene.visible = true;
  wake.handleVisibility();
  await settle();
  expect([locks.length, held()]).toEqual([2, 1]);
});

test("a lock that arrives after the pause is released", async () => {
  const { wake, scene, locks, held } = screen();
  let give = () => {};
  scene.answer = new Promise((resolve) => (give = resolve));
  wake.want(true);
  await settle();
  wake.want(false);
  give();
  await settle();
  expect([locks.length, held()]).toEqual([1, 0]);
});

test("a refused lock is requested again with the next play", async () => {
  const { wake, scene, held } = screen();
  scene.refuse = true;
  wake.want(true);
  await settle();
  scene.refuse = false;
  wake.want(false);
  wake.want(true);
  await settle();
  expect(held()).toBe(1);
});

const handlers = new Map<string, MediaSessionActionHandler | null>();
const session = {
  metadata: null as { title: string } | null,
  playbackState: "none",
  setActionHandler: (action: string, handler: MediaSessionActionHandler | null) =>
    handlers.set(action, handler),
  setPositionState: vi.fn(),
};
const port = { play: vi.fn(), pause: vi.fn(), seekTo: vi.fn(), perform: vi.fn() };

beforeEach(() => {
  handlers.clear();
  vi.clearAllMocks();
  vi.stubGlobal(
    "MediaMetadata",
    class {
      title: string;
      constructor({ title }: { title: string }) {
        this.title = title;
      }
    },
  );
});

const panel = () => new SystemPanel(session as unknown as MediaSession, port);
const press = (action: MediaSessionAction, details = {}) =>
  handlers.get(action)?.({ action, ...details });

test("the panel’s buttons reach the film", () => {
  panel().describe("Harbour", false, true);
  press("play");
  press("pause");
  press("seekto", { seekTime: 0 });
  press("seekforward");
  press("seekbackward", { seekOffset: 30 });
  press("nexttrack");
  expect(session.metadata?.title).toBe("Harbour");
  expect([port.play, port.pause].map((call) => call.mock.calls.length)).toEqual([1, 1]);
  expect(port.seekTo).toHaveBeenCalledWith(0);
  expect(port.perform.mock.calls.flat()).toEqual([
    { does: "seek_by", seconds: 10 },
    { does: "seek_by", seconds: -30 },
    { does: "next" },
  ]);
});

test("the panel has buttons only for existing neighbours", () => {
  const subject = panel();
  subject.describe("Harbour", false, true);
  expect([handlers.get("previoustrack"), typeof handlers.get("nexttrack")]).toEqual([
    null,
    "function",
  ]);
  subject.describe("The end", true, false);
  expect([typeof handlers.get("previoustrack"), handlers.get("nexttrack")]).toEqual([
    "function",
    null,
  ]);
});

test("the panel’s position stays within the film, and is unset while the length is unknown", () => {
  const subject = panel();
  const state = { opened: true, paused: false, timeS: 101, rate: 1.5 } as MediaState;
  subject.follow(state, 100);
  expect(session.setPositionState).toHaveBeenLastCalledWith({
    duration: 100,
    position: 100,
    playbackRate: 1.5,
  });
  expect(session.playbackState).toBe("playing");
  subject.follow(state, Infinity);
  expect(session.setPositionState).toHaveBeenLastCalledWith();
});

test("nothing of the panel is left at the end", () => {
  const subject = panel();
  subject.describe("Harbour", true, true);
  subject.destroy();
  expect([...handlers.values()].every((handler) => handler === null)).toBe(true);
  expect(session.metadata).toBeNull();
});

function storage(told?: string) {
  const kept = new Map(told === undefined ? [] : [["controls", told]]);
  return {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
  };
}

test("the volume is remembered", () => {
  const store = storage();
  rememberControls(store, { volume: 0.4, muted: true, remaining: true });
  expect(recallControls(store)).toEqual({ volume: 0.4, muted: true, remaining: true });
});

test("unreadable stored settings are ignored", () => {
  for (const told of ["", "null", "7", '{"volume":3,"muted":"yes"}', "{"]) {
    expect(recallControls(storage(told))).toEqual({ volume: 1, muted: false, remaining: false });
  }
});
