// Applying the engine's updates to the known state of a topic.

import { expect, test } from "vitest";
import type { TopicUpdate } from "../src/model/generated/TopicUpdate";
import type { FileView } from "../src/model/generated/FileView";
import type { ContentsState, Known } from "../src/model/topics";
import { applied } from "../src/model/topics";
import { file, peer } from "./samples";

/** Seeded random numbers. */
function chance(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Some of ten files in any order, each in one of three states. */
function anyFiles(next: (below: number) => number): FileView[] {
  const indices = Array.from({ length: 10 }, (_, index) => index).filter(() => next(3) > 0);
  for (let at = indices.length - 1; at > 0; at--) {
    const other = next(at + 1);
    [indices[at], indices[other]] = [indices[other]!, indices[at]!];
  }
  return indices.map((index) => file({ index, verified: next(3) }));
}

/** The engine's update from one state to another, following `view/topics.rs`. */
function told(before: FileView[] | undefined, now: FileView[], revision: number): TopicUpdate {
  const same = (one: FileView) =>
    before?.some((old) => old.index === one.index && old.verified === one.verified);
  const isInPlace =
    before?.length === now.length && now.every((one, at) => before[at]!.index === one.index);
  return {
    topic: "torrent/h",
    from: before ? revision - 1 : null,
    revision,
    change: {
      kind: "torrent",
      order: isInPlace ? null : now.map((one) => one.index),
      files: now.filter((one) => !same(one)),
      trackers: before ? null : [],
    },
  };
}

const filesOf = (known: Known | undefined) => (known?.state as ContentsState | undefined)?.files;

test("a series of changes gives the last state, for any states", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const next = chance(seed);
    let before: FileView[] | undefined;
    let known: Known | undefined;
    for (let revision = 1; revision <= 10; revision++) {
      const now = anyFiles(next);
      const shown = filesOf(known);
      known = applied(known, told(before, now, revision));
      expect(filesOf(known), `seed ${seed}, revision ${revision}`).toEqual(now);
      for (const one of filesOf(known)!) {
        const old = shown?.find((candidate) => candidate.index === one.index);
        if (old && old.verified === one.verified) expect(one).toBe(old);
      }
      before = now;
    }
  }
});

test("an update of an unknown revision is a gap, and so is one with an unknown file", () => {
  const first = applied(undefined, told(undefined, [file()], 1));
  expect(applied(first, told([], [file()], 3))).toBeUndefined();
  expect(applied(undefined, told([], [file()], 2))).toBeUndefined();
  const unknown = told([file()], [file(), file({ index: 1 })], 2);
  expect(
    applied(first, {
      ...unknown,
      change: { kind: "torrent", order: [0, 7], files: [], trackers: null },
    }),
  ).toBeUndefined();
});

test("a whole topic is taken, whatever was known", () => {
  const known = applied(undefined, told(undefined, [file()], 8));
  expect(applied(known, told(undefined, [], 1))).toEqual({
    revision: 1,
    state: { files: [], trackers: [] },
  });
});

test("an empty change keeps the same list", () => {
  const first = applied(undefined, told(undefined, [file()], 1));
  expect(filesOf(applied(first, told([file()], [file()], 2)))).toBe(filesOf(first));
});

test("peers are always sent whole", () => {
  const first = applied(undefined, {
    topic: "peers/h",
    from: null,
    revision: 1,
    change: { kind: "peers", peers: [peer()] },
  });
  expect(first).toEqual({ revision: 1, state: { peers: [peer()] } });
  const next = applied(first, {
    topic: "peers/h",
    from: 1,
    revision: 2,
    change: { kind: "peers", peers: [] },
  });
  expect(next).toEqual({ revision: 2, state: { peers: [] } });
});
