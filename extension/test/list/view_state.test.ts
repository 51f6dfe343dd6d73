// The state of the list that survives leaving the page.

import { expect, test } from "vitest";
import { ListState } from "../../src/list/list_state";
import { keepSort, keepView, sortIn, viewIn } from "../../src/list/view_state";
import { HASH } from "../samples";

function store(items: Record<string, string> = {}) {
  return {
    getItem: (name: string) => items[name] ?? null,
    setItem: (name: string, value: string) => void (items[name] = value),
    items,
  };
}

test("the stored state of the list is restored", () => {
  const memory = store();
  const state = new ListState(viewIn(memory), sortIn(memory));
  state.setOpen(HASH, true);
  state.toggleDetails(HASH);
  state.toggleFolder(HASH, "a/b");
  state.search = "night";
  keepView(memory, state.left({ key: HASH, offset: 12 }, { key: HASH, part: "play" }));
  keepSort(memory, { by: "size", reversed: true });
  const left = viewIn(memory);
  const found = new ListState(left, sortIn(memory));
  expect([
    found.isOpen(HASH),
    found.hasDetails(HASH),
    found.isCollapsed(HASH, "a/b"),
    found.search,
  ]).toEqual([true, true, true, "night"]);
  expect([left.place, left.focus, found.sort]).toEqual([
    { key: HASH, offset: 12 },
    { key: HASH, part: "play" },
    { by: "size", reversed: true },
  ]);
});

test("unreadable state is ignored", () => {
  const broken = store({ list: "{", "list-sort": '{"by":"smell"}' });
  expect(viewIn(broken).open).toEqual([]);
  expect(sortIn(broken)).toEqual({ by: "added", reversed: false });
});

test("the state of a removed torrent is dropped", () => {
  const state = new ListState(viewIn(store()), sortIn(store()));
  state.setOpen(HASH, true);
  const words = { text: "no", isWrong: true };
  state.setWords(HASH, "move", words);
  expect([state.isOpen(HASH), state.wordsOf(HASH)]).toEqual([true, { move: words }]);
  state.forget(HASH);
  expect([state.isOpen(HASH), state.wordsOf(HASH)]).toEqual([false, {}]);
});
