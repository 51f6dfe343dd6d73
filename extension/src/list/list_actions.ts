// What a person does with the list as a whole, and with what is selected in it.

import { localStore } from "../ui/stores";
import type { Sort } from "./arrange";
import type { ListState } from "./list_state";
import type { TorrentActions } from "./torrent_actions";
import { keepSort } from "./view_state";

export class ListActions {
  constructor(
    private readonly state: ListState,
    private readonly actions: TorrentActions,
    /** The info hashes of all torrents, shown or not. */
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

  /** Where nothing is selected, `focused` is removed. */
  removeSelected(focused?: string): void {
    const { selected } = this.actions;
    this.actions.remove(selected.length === 0 && focused !== undefined ? [focused] : selected);
  }
}
