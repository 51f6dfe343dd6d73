// What the page itself knows of its list: what is open, looked for, sorted, selected, just done.
// Losing it loses nothing of the engine's.
//
// It changes by what a person does and is read when the list is rendered. Invariant: what is
// remembered of a torrent goes with it.

import type { Sort } from "./arrange";
import type { ReplyPlace } from "./details_view";
import type { FormWords } from "./forms";
import type { Shown } from "./lines";
import { Newcomers } from "./newcomers";
import { Selection } from "./selection";
import type { Focus, Place, ViewState } from "./view_state";

export class ListState implements Shown {
  readonly newcomers = new Newcomers();
  readonly selection = new Selection();
  search: string;
  /** What was just copied: an address, a file. */
  copied: string | undefined;
  /** Which torrent came a moment ago. */
  newest: string | undefined;
  /** Whether that one was in the list before. */
  already = false;
  /** Counts what was asked for in vain: boxes that were ticked for it have to go back. */
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

  /** All that are open, in the order in which they were opened. */
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

  /** What is looked for among a torrent's files. */
  searchIn(infoHash: string): string {
    return this.searches.get(infoHash) ?? "";
  }

  setSearchIn(infoHash: string, search: string): void {
    this.searches.set(infoHash, search);
  }

  /** How the engine answered about this torrent, by the place where it was asked. */
  wordsOf(infoHash: string): Readonly<Partial<Record<ReplyPlace, FormWords>>> {
    return this.words.get(infoHash) ?? NO_WORDS;
  }

  setWords(infoHash: string, place: ReplyPlace, words: FormWords): void {
    this.words.set(infoHash, { ...this.wordsOf(infoHash), [place]: words });
  }

  /** Forgets all of a torrent that goes. One that is missing may only not be there yet: an engine that begins has an empty list. */
  forget(infoHash: string): void {
    this.newcomers.forget(infoHash);
    for (const kept of [this.open, this.details, this.collapsed, this.searches, this.words])
      kept.delete(infoHash);
  }

  /** What is to be remembered when the page goes. */
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
