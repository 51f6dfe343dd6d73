// Storage of the browser that is forbidden or full.

import { expect, test } from "vitest";
import { guarded } from "../src/ui/stores";

test("a forbidden store keeps nothing and throws nothing", () => {
  const store = guarded(() => {
    throw new DOMException("denied", "SecurityError");
  });
  store.setItem("a", "1");
  store.removeItem("a");
  expect(store.getItem("a")).toBeNull();
});

test("a full store keeps its values", () => {
  const kept = new Map([["a", "1"]]);
  const store = guarded(() => ({
    getItem: (name) => kept.get(name) ?? null,
    setItem: () => {
      throw new DOMException("full", "QuotaExceededError");
    },
    removeItem: (name) => void kept.delete(name),
  }));
  store.setItem("a", "2");
  expect(store.getItem("a")).toBe("1");
  store.removeItem("a");
  expect(store.getItem("a")).toBeNull();
});
