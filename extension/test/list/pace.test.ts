import { expect, test } from "vitest";
import { LONELY_MS, Paces, STALL_MS } from "../../src/list/pace";
import type { TorrentView } from "../../src/model/generated/TorrentView";
import { HASH, torrent } from "../samples";

/** Looks at a torrent at these times, ms, and says how it then does. */
function course(looks: readonly (Partial<TorrentView> & { at: number })[], now: number) {
  const paces = new Paces();
  for (const { at, ...more } of looks) paces.look([torrent({ peers: 3, ...more })], at);
  return { ...paces.of(HASH, now), next: paces.nextChange(now) };
}

test("a rate that jumps moves what is told only a little", () => {
  const { rateBps } = course(
    [
      { at: 0, downRateBps: 1000 },
      { at: 500, downRateBps: 9000 },
    ],
    500,
  );
  expect(rateBps).toBeGreaterThan(1000);
  expect(rateBps).toBeLessThan(1500);
});

test("a rate that stays is told in the end", () => {
  const looks = Array.from({ length: 60 }, (_, at) => ({ at: at * 1000, downRateBps: at === 0 ? 100 : 5000 }));
  expect(course(looks, 60_000).rateBps).toBeCloseTo(5000, -2);
});

test("peers that fall silent have stopped after a while, and a page is told when", () => {
  const looks = [{ at: 0, downRateBps: 1000 }, { at: 1000 }];
  expect(course(looks, 1000 + STALL_MS - 1)).toMatchObject({ isStalled: false, next: 1 });
  expect(course(looks, 1000 + STALL_MS)).toMatchObject({ isStalled: true, next: undefined });
  expect(course([...looks, { at: 2000, downRateBps: 1 }], 60_000).isStalled).toBe(false);
});

test("who has not begun to send has not stopped, nor has a torrent that is paused or without peers", () => {
  expect(course([{ at: 0 }], 60_000).isStalled).toBe(false);
  expect(
    course(
      [
        { at: 0, downRateBps: 9 },
        { at: 1, state: "paused" },
      ],
      60_000,
    ).isStalled,
  ).toBe(false);
  expect(
    course(
      [
        { at: 0, downRateBps: 9 },
        { at: 1, peers: 0 },
      ],
      60_000,
    ).isStalled,
  ).toBe(false);
});

test("a link without a peer is lonely after a while, until somebody comes", () => {
  const link = { state: "metadata", peers: 0 } as const;
  expect(
    course(
      [
        { at: 0, ...link },
        { at: 9000, ...link },
      ],
      LONELY_MS - 1,
    ).isLonely,
  ).toBe(false);
  expect(
    course(
      [
        { at: 0, ...link },
        { at: 9000, ...link },
      ],
      LONELY_MS,
    ).isLonely,
  ).toBe(true);
  expect(
    course(
      [
        { at: 0, ...link },
        { at: 9000, ...link, peers: 1 },
      ],
      LONELY_MS,
    ).isLonely,
  ).toBe(false);
});

test("a torrent that is gone is forgotten", () => {
  const paces = new Paces();
  paces.look([torrent({ downRateBps: 9 })], 0);
  paces.look([], 1);
  expect(paces.of(HASH, 1).rateBps).toBe(0);
});
