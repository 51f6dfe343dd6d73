// The state of the list page: what is open, searched, sorted, selected, just copied.
//
// The engine's state is not kept here. Invariant: `forget` removes everything about a torrent.

import type { Sort } from "./arrange";
import type { ReplyPlace } from "./details_ui";
import type { FormWords } from "./forms";
import type { Shown } from "./lines";
import { Newcomers } from "./newcomers";
import { Selection } from "./selection";
import type { Focus, Place, ViewState } from "./view_state";

/** The state of the list page. */
export class ListState implements Shown {
  readonly newcomers = new Newcomers();
  readonly selection = new Selection();
  search: string;
  /** Key of the text that was just copied. */
  copied: string | undefined;
  /** Info hash of the torrent that was just added. */
  newest: string | undefined;
  /** Whether the torrent that was just added had been in the list before. */
  already = false;
  /** Counts refused intents. A change renders the checkboxes again, to untick refused ones. */
  refusals = 0;
  private readonly open: Set<string>;
  private readonly details: Set<string>;
  private readonly collapsed: Map<string, Set<string>>;
  private readonly searches = new Map<string, string>();
  private readonly words = new Map<string, Partial<Record<ReplyPlace, FormWords>>>();

  constructor(
    left: ViewState,
    public sort: Sort,
  ) {
    this.search = left.search;
    this.open = new Set(left.open);
    this.details = new Set(left.details);
    this.collapsed = new Map(
      Object.entries(left.collapsed).map(([infoHash, paths]) => [infoHash, new Set(paths)]),
    );
  }

  isOpen(infoHash: string): boolean {
    return this.open.has(infoHash);
  }

  /** The open torrents, in the order in which they were opened. */
  get allOpen(): readonly string[] {
    return [...this.open];
  }

  setOpen(infoHash: string, isOpen: boolean): void {
    if (isOpen) this.open.add(infoHash);
    else this.open.delete(infoHash);
  }

  hasDetails(infoHash: string): boolean {
    return this.details.has(infoHash);
  }

  toggleDetails(infoHash: string): void {
    if (!this.details.delete(infoHash)) this.details.add(infoHash);
  }

  isCollapsed(infoHash: string, path: string): boolean {
    return this.collapsed.get(infoHash)?.has(path) ?? false;
  }

  toggleFolder(infoHash: string, path: string): void {
    const paths = this.collapsed.get(infoHash) ?? new Set();
    if (!paths.delete(path)) paths.add(path);
    this.collapsed.set(infoHash, paths);
  }

  /** The search text for a torrent's files. */
  searchIn(infoHash: string): string {
    return this.searches.get(infoHash) ?? "";
  }

  setSearchIn(infoHash: string, search: string): void {
    this.searches.set(infoHash, search);
  }

  /** The engine's answers about a torrent, by the place where the user asked. */
  wordsOf(infoHash: string): Readonly<Partial<Record<ReplyPlace, FormWords>>> {
    return this.words.get(infoHash) ?? NO_WORDS;
  }

  setWords(infoHash: string, place: ReplyPlace, words: FormWords): void {
    this.words.set(infoHash, { ...this.wordsOf(infoHash), [place]: words });
  }

  /**
   * Forgets a torrent that is removed. A torrent that is only missing is not forgotten: an engine
   * that starts has an empty list.
   */
  forget(infoHash: string): void {
    this.newcomers.forget(infoHash);
    for (const kept of [this.open, this.details, this.collapsed, this.searches, this.words])
      kept.delete(infoHash);
  }

  /** The state to store when the page closes. */
  left(place: Place | undefined, focus: Focus | undefined): ViewState {
    return {
      open: [...this.open],
      details: [...this.details],
      collapsed: Object.fromEntries(
        [...this.collapsed].map(([infoHash, paths]) => [infoHash, [...paths]]),
      ),
      search: this.search,
      place: place ?? null,
      focus: focus ?? null,
    };
  }
}

const NO_WORDS = {};
