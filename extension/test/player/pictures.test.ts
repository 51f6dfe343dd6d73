// The worker for the pictures over the seek bar.

import { expect, test, vi } from "vitest";
import type { FromPreview, ToPreview } from "../../src/media/protocol";
import { Pictures } from "../../src/player/pictures";

class FakeWorker extends EventTarget {
  readonly heard: ToPreview[] = [];
  terminated = false;
  postMessage(message: ToPreview): void {
    this.heard.push(message);
  }
  terminate(): void {
    this.terminated = true;
  }
  say(data: FromPreview): void {
    this.dispatchEvent(Object.assign(new Event("message"), { data }));
  }
}

function rig() {
  const workers: FakeWorker[] = [];
  const pictures = new Pictures(() => {
    workers.push(new FakeWorker());
    return workers.at(-1) as unknown as Worker;
  });
  return { pictures, workers };
}

const live = () => new AbortController().signal;
const picture = () => ({ close: vi.fn() }) as unknown as ImageBitmap;

test("nothing is loaded before the first request, and one worker serves all", async () => {
  const { pictures, workers } = rig();
  expect(workers).toEqual([]);
  const [first, second] = [pictures.near("u", 1, live()), pictures.near("u", 2, live())];
  expect(workers.length).toBe(1);
  expect(workers[0]!.heard.map(({ id, at }) => [id, at])).toEqual([
    [0, 1],
    [1, 2],
  ]);
  const made = picture();
  workers[0]!.say({ id: 0, picture: undefined });
  workers[0]!.say({ id: 1, picture: made });
  expect(await Promise.all([first, second])).toEqual([undefined, made]);
});

test("the end answers pending requests, and a picture that comes later is freed", async () => {
  const { pictures, workers } = rig();
  const asked = pictures.near("u", 1, live());
  pictures.destroy();
  expect([await asked, workers[0]!.terminated]).toEqual([undefined, true]);
  const late = picture();
  workers[0]!.say({ id: 0, picture: late });
  expect(late.close).toHaveBeenCalled();
});

test("a worker that does not load answers all requests with nothing", async () => {
  const { pictures, workers } = rig();
  const asked = pictures.near("u", 1, live());
  workers[0]!.dispatchEvent(new Event("error"));
  expect(await asked).toBeUndefined();
});

test("an aborted request sends nothing", async () => {
  const { pictures, workers } = rig();
  expect(await pictures.near("u", 1, AbortSignal.abort())).toBeUndefined();
  expect(workers).toEqual([]);
});
