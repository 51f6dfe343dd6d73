// What a page remembers of how a person left the list: what is open, folded up and looked for, and
// where the page was. It lasts as long as its tab, so that who comes back from a film finds the
// list as it was; how the list is sorted lasts longer.
//
// Nothing of the engine's is kept here. What can't be stored, or read, is as if nobody had been
// here.

import { recall, remember, type Store } from "../ui/stores";
import type { Sort } from "./arrange";
import { SORTS } from "./arrange";

/** Where the page was: a line, and how far its top was above the window's, px. */
export interface Place {
  key: string;
  offset: number;
}

/** What had the focus: a control of a line. */
export interface Focus {
  key: string;
  /** Its test id, which names it in its line. */
  part: string;
}

/** How the list is left. */
export interface ViewState {
  open: string[];
  details: string[];
  /** Folders that are folded up, by torrent. */
  collapsed: Record<string, string[]>;
  search: string;
  place: Place | null;
  focus: Focus | null;
}

const VIEW = "list";
const SORT = "list-sort";

/** How the list was left in this tab. */
export function viewIn(store: Store): ViewState {
  const view: ViewState = {
    open: [],
    details: [],
    collapsed: {},
    search: "",
    place: null,
    focus: null,
  };
  return { ...view, ...(recall(store, VIEW) as Partial<ViewState> | undefined) };
}

export function keepView(store: Store, view: ViewState): void {
  remember(store, VIEW, view);
}

/** How the list is sorted. */
export function sortIn(store: Store): Sort {
  const { by, reversed } = (recall(store, SORT) ?? {}) as Partial<Sort>;
  return { by: SORTS.find((one) => one === by) ?? "added", reversed: reversed === true };
}

export function keepSort(store: Store, sort: Sort): void {
  remember(store, SORT, sort);
}
