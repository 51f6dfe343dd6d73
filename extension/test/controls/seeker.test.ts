// Seeks: how quick steps add up, and when the player's position follows.

import { expect, test } from "vitest";
import { Seeker } from "../../src/player/controls/seeker";
import { FakeClock } from "../fake_clock";

function scene(duration = 100, position = 50) {
  const clock = new FakeClock();
  const film = { position, duration };
  const sent: number[] = [];
  let changes = 0;
  const seeker = new Seeker(clock, {
    position: () => film.position,
    duration: () => film.duration,
    seek: (to) => sent.push(to),
    changed: () => changes++,
  });
  return { clock, film, sent, seeker, changes: () => changes };
}

test("a request is sent at once, and is the target until the element arrives", () => {
  const { film, sent, seeker } = scene();
  seeker.to(80);
  expect(sent).toEqual([80]);
  expect(seeker.target).toBe(80);
  film.position = 79.2;
  seeker.handleMove();
  expect(seeker.target).toBeUndefined();
});

test("a move of the element to another place leaves the request pending", () => {
  const { film, seeker } = scene();
  seeker.to(80);
  film.position = 0;
  seeker.handleMove();
  expect(seeker.target).toBe(80);
});

test("quick steps add up before the element has moved", async () => {
  const { clock, sent, seeker } = scene();
  for (let press = 0; press < 4; press++) seeker.by(5);
  expect(seeker.target).toBe(70);
  await clock.advance(200);
  expect(sent).toEqual([55, 70]);
});

test("a key held down sends at most five requests a second, and always the last one", async () => {
  const { clock, sent, seeker } = scene(1000, 0);
  for (let press = 0; press < 30; press++) {
    seeker.by(5);
    await clock.advance(33);
  }
  await clock.advance(500);
  expect(sent.length).toBeLessThanOrEqual(6);
  expect(sent.at(-1)).toBe(150);
});

test("places are clamped to the film", () => {
  const { sent, seeker } = scene();
  seeker.by(-500);
  expect(sent).toEqual([0]);
  seeker.to(5000);
  expect(seeker.target).toBe(100);
});

test("in a film of unknown length, the user can seek forwards, and NaN is ignored", () => {
  const { sent, seeker } = scene(Infinity);
  seeker.to(5000);
  seeker.to(NaN);
  expect(sent).toEqual([5000]);
});

test("a request that the element does not follow is dropped", async () => {
  const { clock, seeker, changes } = scene();
  seeker.to(80);
  await clock.advance(14_000);
  expect(seeker.target).toBe(80);
  const before = changes();
  await clock.advance(2_000);
  expect(seeker.target).toBeUndefined();
  expect(changes()).toBe(before + 1);
});

test("another film drops all requests for the former one, also unsent ones", async () => {
  const { clock, sent, seeker } = scene();
  seeker.to(80);
  seeker.to(90);
  seeker.forget();
  await clock.advance(1000);
  expect(sent).toEqual([80]);
  expect(clock.pending).toBe(0);
});

test("an unsent request is kept although the element is already close to its time", async () => {
  const { clock, sent, seeker } = scene();
  seeker.to(80);
  seeker.to(50.5);
  seeker.handleMove();
  await clock.advance(200);
  expect(sent).toEqual([80, 50.5]);
});
