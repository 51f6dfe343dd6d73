// Which updates the worker sends to which page.

import { expect, test } from "vitest";
import { Followers } from "../src/extension/followers";
import type { TopicUpdate } from "../src/model/generated/TopicUpdate";
import type { World } from "../src/model/generated/World";

const WORLD: World = {
  roots: [],
  listenPort: null,
  portMapping: null,
  settings: null,
  notices: [],
  removed: [],
  folders: false,
};

function update(topic: string, from: number | null, revision: number): TopicUpdate {
  return {
    topic,
    from,
    revision,
    change: { kind: "list", order: null, torrents: [], world: WORLD },
  };
}

function rig() {
  const gone: string[] = [];
  const followers = new Followers((page) => gone.push(page));
  /** The updates for a page, as `from-revision`. */
  const news = (page: string, ...updates: TopicUpdate[]) =>
    followers
      .news(page, updates, (topic) => update(topic, null, 9))
      .map(({ topic, from, revision }) => `${topic} ${from ?? "whole"}-${revision}`);
  return { followers, gone, news };
}

test("a page gets the whole topic first, then changes", () => {
  const { followers, news } = rig();
  expect(followers.follow("a", ["list"], ["list"], false)).toBe(true);
  expect(news("a", update("list", null, 3))).toEqual(["list whole-3"]);
  expect(followers.follow("a", ["list"], [], false)).toBe(false);
  expect(news("a", update("list", 3, 4))).toEqual(["list 3-4"]);
  expect(news("a")).toEqual([]);
});

test("a page that opens later gets whole topics, also those that others follow", () => {
  const { followers, news } = rig();
  followers.follow("a", ["list"], ["list"], false);
  news("a", update("list", null, 8));
  followers.follow("b", ["list"], ["list"], false);
  expect(news("b", update("list", 8, 9))).toEqual(["list whole-9"]);
  expect(news("a", update("list", 8, 9))).toEqual(["list 8-9"]);
  expect(followers.topics()).toEqual(["list"]);
});

test("a page that lacks a topic gets the whole topic, even without changes", () => {
  const { followers, news } = rig();
  followers.follow("a", ["list"], ["list"], false);
  news("a", update("list", null, 9));
  expect(followers.follow("a", ["list"], ["list"], false)).toBe(true);
  expect(news("a")).toEqual(["list whole-9"]);
});

test("a page gets updates only of the topics that it follows", () => {
  const { followers, news } = rig();
  followers.follow("a", ["x", "y"], ["x", "y"], false);
  news("a", update("x", null, 1), update("y", null, 2));
  followers.follow("a", ["y"], [], false);
  expect(news("a", update("x", 1, 3), update("y", 2, 4))).toEqual(["y 2-4"]);
  expect(news("nobody", update("x", 1, 3))).toEqual([]);
});

test("a closed page is forgotten together with its revisions", () => {
  const { followers, gone } = rig();
  followers.follow("a", ["list"], [], false);
  followers.follow("b", ["list"], [], false);
  followers.forget("a");
  expect(followers.all()).toEqual(["b"]);
  followers.forget("b");
  followers.forget("b");
  expect(gone).toEqual(["a", "b"]);
  expect(followers.topics()).toEqual([]);
});

test("when there are too many pages, the page that was silent longest is forgotten", () => {
  const { followers, gone } = rig();
  for (let page = 0; page < 64; page++) followers.follow(`p${page}`, [], [], false);
  followers.follow("p0", [], [], false);
  followers.follow("new", [], [], false);
  expect(gone).toEqual(["p1"]);
});

test("one visible page makes the audience visible, and a page that appears gets updates", () => {
  const { followers } = rig();
  expect(followers.audience()).toBe("none");
  followers.follow("a", [], [], true);
  expect(followers.audience()).toBe("hidden");
  expect(followers.follow("a", [], [], true)).toBe(false);
  expect(followers.follow("a", [], [], false)).toBe(true);
  expect(followers.audience()).toBe("visible");
  followers.follow("b", [], [], true);
  expect(followers.audience()).toBe("visible");
});
