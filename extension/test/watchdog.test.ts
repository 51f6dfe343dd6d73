// Replacing a worker that hangs or fails.

import { expect, test } from "vitest";
import { SETTLED_MS, STUCK_MS, Watchdog } from "../src/extension/watchdog";
import { FakeClock } from "./fake_clock";

class FakeWorker {
  alive = true;
  terminate(): void {
    this.alive = false;
  }
}

function rig() {
  const clock = new FakeClock();
  const born: { at: number; worker: FakeWorker }[] = [];
  const dog = new Watchdog(clock, () => {
    expect(
      born.every(({ worker }) => !worker.alive),
      "at most one lives",
    ).toBe(true);
    const worker = new FakeWorker();
    born.push({ at: clock.now(), worker });
    return worker;
  });
  dog.start();
  return { clock, born, dog };
}

test("a worker with progress is kept", async () => {
  const { clock, born, dog } = rig();
  for (let second = 0; second < 120; second++) {
    await clock.advance(1_000);
    dog.handleProgress(dog.worker!);
  }
  expect(born).toHaveLength(1);
});

test("a worker that is busy for half a minute at a time is kept", async () => {
  const { clock, born, dog } = rig();
  for (let turn = 0; turn < 20; turn++) {
    await clock.advance(STUCK_MS / 2);
    dog.handleProgress(dog.worker!);
  }
  expect(born).toHaveLength(1);
});

test("a worker that makes no progress is terminated after a minute and replaced", async () => {
  const { clock, born, dog } = rig();
  dog.handleProgress(dog.worker!);
  await clock.advance(STUCK_MS - 1);
  expect(born[0]!.worker.alive).toBe(true);
  await clock.advance(1);
  expect(born[0]!.worker.alive).toBe(false);
  await clock.advance(200);
  expect(born).toHaveLength(2);
  expect(dog.worker).toBe(born[1]!.worker);
});

test("the sleep of the computer does not count as a hang", async () => {
  const { clock, born, dog } = rig();
  dog.handleProgress(dog.worker!);
  clock.stall(3_600_000);
  await clock.advance(STUCK_MS - 1);
  expect(born[0]!.worker.alive).toBe(true);
  await clock.advance(1);
  expect(born[0]!.worker.alive).toBe(false);
});

test("a failed worker is replaced soon, and ever later after repeated failures", async () => {
  const { clock, born, dog } = rig();
  const pauses: number[] = [];
  for (let round = 0; round < 9; round++) {
    const brokeAt = clock.now();
    dog.handleFailure(dog.worker!);
    while (!dog.worker) await clock.advance(100);
    pauses.push(born.at(-1)!.at - brokeAt);
  }
  expect(pauses).toEqual([200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000]);
});

test("after a long life, earlier failures no longer count", async () => {
  const { clock, born, dog } = rig();
  dog.handleFailure(dog.worker!);
  await clock.advance(200);
  for (let second = 0; second < SETTLED_MS / 1_000; second++) {
    dog.handleProgress(dog.worker!);
    await clock.advance(1_000);
  }
  const brokeAt = clock.now();
  dog.handleFailure(dog.worker!);
  await clock.advance(200);
  expect(born.at(-1)!.at - brokeAt).toBe(200);
});

test("messages of a replaced worker are ignored", async () => {
  const { clock, born, dog } = rig();
  const first = dog.worker!;
  dog.handleFailure(first);
  dog.handleFailure(first);
  await clock.advance(200);
  dog.handleFailure(first);
  dog.handleProgress(first);
  expect(born).toHaveLength(2);
  expect(dog.worker).toBe(born[1]!.worker);
});
