// Actions on the whole list and on the selected torrents.

import { localStore } from "../ui/stores";
import type { Sort } from "./arrange";
import type { ListState } from "./list_state";
import type { TorrentActions } from "./torrent_actions";
import { keepSort } from "./view_state";

/** What the toolbar and the bar for selected torrents can do. */
export class ListActions {
  constructor(
    private readonly state: ListState,
    private readonly actions: TorrentActions,
    /** The info hashes of all torrents, including those hidden by the search. */
    private readonly all: () => readonly string[],
    private readonly update: () => void,
  ) {}

  search(words: string): void {
    this.state.search = words;
    this.update();
  }

  sort(sort: Sort): void {
    this.state.sort = sort;
    keepSort(localStore, sort);
    this.update();
  }

  pauseAll(): void {
    this.actions.pause(this.all());
  }

  resumeAll(): void {
    this.actions.resume(this.all());
  }

  selectAll(): void {
    this.actions.selectAll();
  }

  selectNone(): void {
    this.actions.selectNone();
  }

  pauseSelected(): void {
    this.actions.pause(this.actions.selected);
  }

  resumeSelected(): void {
    this.actions.resume(this.actions.selected);
  }

  /** Removes the selected torrents, or `focused` if none is selected. */
  removeSelected(focused?: string): void {
    const { selected } = this.actions;
    this.actions.remove(selected.length === 0 && focused !== undefined ? [focused] : selected);
  }
}
