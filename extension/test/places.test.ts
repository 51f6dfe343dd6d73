import { expect, test } from "vitest";
import type { Store } from "../src/player/places";
import { recall, remember } from "../src/player/places";

function store(): Store & { entries: Map<string, string> } {
  const entries = new Map<string, string>();
  return {
    entries,
    get length() {
      return entries.size;
    },
    getItem: (key) => entries.get(key) ?? null,
    setItem: (key, value) => void entries.set(key, value),
    removeItem: (key) => void entries.delete(key),
    key: (index) => [...entries.keys()][index] ?? null,
  };
}

function check(seconds: number, duration: number, recalled: number): void {
  const kept = store();
  remember(kept, "film", seconds, duration, 0);
  expect(recall(kept, "film")).toBe(recalled);
}

test("a film left in its middle is taken up there", () => check(1234.56, 5400, 1234.6));
test("a film just begun begins again", () => check(4, 5400, 0));
test("a film all but over begins again", () => check(5300, 5400, 0));
test("a film of unknown length is not remembered", () => check(50, NaN, 0));

test("a film seen to its end is forgotten", () => {
  const kept = store();
  remember(kept, "film", 1000, 5400, 0);
  remember(kept, "film", 5400, 5400, 1);
  expect(kept.entries.size).toBe(0);
});

test("what is stored is not believed", () => {
  const kept = store();
  for (const value of ["", "nonsense", "-5 0", "Infinity 0", "NaN"]) {
    kept.entries.set("place:film", value);
    expect(recall(kept, "film")).toBe(0);
  }
});

test("the oldest are forgotten, and only places", () => {
  const kept = store();
  kept.entries.set("other", "1");
  for (let film = 0; film < 400; film++) remember(kept, `film ${film}`, 100, 5400, film);
  expect(kept.entries.size).toBe(301);
  expect(recall(kept, "film 0")).toBe(0);
  expect(recall(kept, "film 399")).toBe(100);
});

test("a full store is no harm", () => {
  const full = { ...store(), setItem: () => { throw new Error("QuotaExceededError"); } };
  remember(full, "film", 100, 5400, 0);
});
