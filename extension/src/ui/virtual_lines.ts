// Virtual scrolling: which lines are rendered, and where.
//
// Lines have keys and estimated heights, and are measured once rendered. Invariant: a change of the
// list forces no layout. The focused line stays rendered, however far it is from the window.

import { WindowVirtualizerController } from "@tanstack/lit-virtual";
import type { ReactiveController, ReactiveControllerHost } from "lit";

/** A line of the virtual list. */
export interface VirtualLine {
  /** Identifies the line as long as it exists. */
  readonly key: string;
  /** Lines of the same kind have about the same height. */
  readonly kind: string;
  /** Estimated height in px, until a line of this kind is measured. */
  readonly height: number;
}

/** A line to render. */
export interface PlacedLine {
  index: number;
  /** Distance from the top of the first line, in px. */
  top: number;
}

/** Lines rendered beyond the window's edges. */
const OVERSCAN = 4;

/** Replaces the element that would own the controller, because the page renders itself. */
class PageAsHost implements ReactiveControllerHost {
  readonly updateComplete = Promise.resolve(true);
  private readonly controllers: ReactiveController[] = [];

  constructor(readonly requestUpdate: () => void) {}

  addController(controller: ReactiveController): void {
    this.controllers.push(controller);
    controller.hostConnected?.();
  }

  removeController(): void {}

  updated(): void {
    for (const controller of this.controllers) controller.hostUpdated?.();
  }
}

/** The virtual scrolling of one list. */
export class VirtualLines {
  /** A `ref` callback for each line's element. */
  readonly measure = (element: Element | undefined): void =>
    this.controller.getVirtualizer().measureElement((element as HTMLElement | undefined) ?? null);
  private lines: readonly VirtualLine[] = [];
  /** Height of the first measured line of each kind, in px. */
  private readonly typical = new Map<string, number>();
  private focused: string | undefined;
  /** A line to keep at its place in the window. */
  private kept: { key: string; offset: number } | undefined;
  private readonly host: PageAsHost;
  private readonly controller: WindowVirtualizerController<HTMLElement>;

  /**
   * `changed` is called when other lines have to be rendered. `covered` is the height of the header
   * over the window's top, in px.
   */
  constructor(changed: () => void, covered: number) {
    this.host = new PageAsHost(changed);
    this.controller = new WindowVirtualizerController<HTMLElement>(this.host, {
      count: 0,
      estimateSize: (index) => this.estimated(this.lines[index]),
      overscan: OVERSCAN,
      scrollPaddingStart: covered,
      indexAttribute: "data-line",
      // Without an observer's entry the height is unknown. The entry comes before the next paint.
      measureElement: (element, entry, list) => {
        const box = entry?.borderBoxSize[0];
        const line = this.lines[list.indexFromElement(element)];
        if (!box || !line) return list.itemSizeCache.get(line?.key ?? "") ?? this.estimated(line);
        const height = Math.round(box.blockSize);
        // Only the first one: new measurements must not move lines above the window.
        if (!this.typical.has(line.kind)) this.typical.set(line.kind, height);
        return height;
      },
      rangeExtractor: ({ startIndex, endIndex, overscan, count }) => {
        const first = Math.max(0, startIndex - overscan);
        const last = Math.min(count - 1, endIndex + overscan);
        const indexes = Array.from({ length: last - first + 1 }, (_, at) => first + at);
        const kept = this.focused === undefined ? -1 : this.indexOf(this.focused);
        if (kept < 0 || (kept >= first && kept <= last)) return indexes;
        return kept < first ? [kept, ...indexes] : [...indexes, kept];
      },
    });
  }

  /** Takes the current lines. The first one is `margin` px below the page's top. */
  take(lines: readonly VirtualLine[], margin: number): void {
    const isSame =
      lines.length === this.lines.length &&
      lines.every((line, at) => line.key === this.lines[at]!.key);
    const virtualizer = this.controller.getVirtualizer();
    const { options } = virtualizer;
    const before = this.lines;
    const added = lines.length - before.length;
    const isLonger = added > 0 && before.length > 0 && lines[added]!.key === before[0]!.key;
    // Lines added above the window do not move what is in it.
    if (isLonger && scrollY > options.scrollMargin) this.kept = this.top;
    this.lines = lines;
    if (isSame && options.scrollMargin === margin) return;
    const getItemKey = isSame ? options.getItemKey : (index: number) => lines[index]?.key ?? index;
    virtualizer.setOptions({ ...options, count: lines.length, scrollMargin: margin, getItemKey });
  }

  /** The lines to render. */
  get placed(): PlacedLine[] {
    const virtualizer = this.controller.getVirtualizer();
    const margin = virtualizer.options.scrollMargin;
    return virtualizer
      .getVirtualItems()
      .map(({ index, start }) => ({ index, top: start - margin }));
  }

  /** Height of all lines in px. */
  get height(): number {
    return this.controller.getVirtualizer().getTotalSize();
  }

  /** To be called after each rendering. */
  rendered(): void {
    this.host.updated();
    const { kept } = this;
    this.kept = undefined;
    if (kept) this.show(kept.key, kept.offset);
  }

  /** Sets which line has the focus. It stays rendered. */
  focus(key: string | undefined): void {
    this.focused = key;
  }

  /**
   * Scrolls as little as needed to show a line. With `offset`, scrolls until the line's top is
   * `offset` px above the window's top.
   */
  show(key: string, offset?: number): void {
    const index = this.indexOf(key);
    if (index < 0) return;
    const virtualizer = this.controller.getVirtualizer();
    if (offset === undefined) {
      virtualizer.scrollToIndex(index, { align: "auto" });
      return;
    }
    const start = virtualizer.getOffsetForIndex(index, "start")?.[0] ?? 0;
    virtualizer.scrollToOffset(start + offset);
  }

  /** The line at the window's top, and how much of it is above, in px. */
  get top(): { key: string; offset: number } | undefined {
    const virtualizer = this.controller.getVirtualizer();
    // The virtualizer learns its new scroll position later.
    const offset = scrollY + virtualizer.options.scrollPaddingStart;
    const item = virtualizer.getVirtualItemForOffset(offset);
    return (
      item &&
      this.lines[item.index] && { key: String(item.key), offset: Math.round(offset - item.start) }
    );
  }

  private estimated(line: VirtualLine | undefined): number {
    return line ? (this.typical.get(line.kind) ?? line.height) : 0;
  }

  private indexOf(key: string): number {
    return this.lines.findIndex((line) => line.key === key);
  }
}
