// Stores how the user left the list: what is open, the search, and the scroll position.
//
// It is kept as long as the browser tab; the sort order is kept longer. State of the engine is not
// stored here. If storing or reading fails, the list starts fresh.

import { recall, remember, type Store } from "../ui/stores";
import type { Sort } from "./arrange";
import { SORTS } from "./arrange";

/** A scroll position: the line at the window's top, and how much of it is above, in px. */
export interface Place {
  key: string;
  offset: number;
}

/** The focused control of a line. */
export interface Focus {
  key: string;
  /** The control's test id. */
  part: string;
}

/** The stored state of the list. */
export interface ViewState {
  open: string[];
  details: string[];
  /** Collapsed folders, by info hash. */
  collapsed: Record<string, string[]>;
  search: string;
  place: Place | null;
  focus: Focus | null;
}

const VIEW = "list";
const SORT = "list-sort";

/** Reads the stored state of this tab. */
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

/** Stores the state of the list for this tab. */
export function keepView(store: Store, view: ViewState): void {
  remember(store, VIEW, view);
}

/** Reads the stored sort order. */
export function sortIn(store: Store): Sort {
  const { by, reversed } = (recall(store, SORT) ?? {}) as Partial<Sort>;
  return { by: SORTS.find((one) => one === by) ?? "added", reversed: reversed === true };
}

/** Stores the sort order. */
export function keepSort(store: Store, sort: Sort): void {
  remember(store, SORT, sort);
}
