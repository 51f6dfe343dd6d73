// Many lines of which only those near the window are in the page: where each lies, which are to be
// rendered, how far the page scrolls.
//
// Lines have keys and guessed heights; what a line measures it tells itself, once it is in the
// page. Invariant: no layout is asked for while the list only changes. The line that has the focus
// stays in the page, however far away it is.

import { WindowVirtualizerController } from "@tanstack/lit-virtual";
import type { ReactiveController, ReactiveControllerHost } from "lit";

/** One line as the virtual list knows it. */
export interface VirtualLine {
  /** Names it for as long as it is there. */
  readonly key: string;
  /** Lines of one kind are about as tall. */
  readonly kind: string;
  /** What it is taken to measure before any of its kind is in the page, px. */
  readonly height: number;
}

/** A line that is to be in the page. */
export interface PlacedLine {
  index: number;
  /** Distance from the first line's top, px. */
  top: number;
}

/** Lines rendered beyond the window's edges. */
const OVERSCAN = 4;

/** Stands in for the element that would own the controller: the page renders all of itself. */
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

export class VirtualLines {
  /** To be called by each line with its element, and with nothing when it goes: lit's `ref`. */
  readonly measure = (element: Element | undefined): void =>
    this.controller.getVirtualizer().measureElement((element as HTMLElement | undefined) ?? null);
  private lines: readonly VirtualLine[] = [];
  /** How tall the first line of each kind was that was in the page, px. */
  private readonly typical = new Map<string, number>();
  private focused: string | undefined;
  /** What is to stay where it is in the window. */
  private kept: { key: string; offset: number } | undefined;
  private readonly host: PageAsHost;
  private readonly controller: WindowVirtualizerController<HTMLElement>;

  /** `changed` is called when other lines are to be rendered. `covered`: what a bar hides at the window's top, px. */
  constructor(changed: () => void, covered: number) {
    this.host = new PageAsHost(changed);
    this.controller = new WindowVirtualizerController<HTMLElement>(this.host, {
      count: 0,
      estimateSize: (index) => this.estimated(this.lines[index]),
      overscan: OVERSCAN,
      scrollPaddingStart: covered,
      indexAttribute: "data-line",
      // Without an entry of the observer nothing is known yet: it comes before the next frame is
      // painted.
      measureElement: (element, entry, list) => {
        const box = entry?.borderBoxSize[0];
        const line = this.lines[list.indexFromElement(element)];
        if (!box || !line) return list.itemSizeCache.get(line?.key ?? "") ?? this.estimated(line);
        const height = Math.round(box.blockSize);
        // Only the first one: what is above the window must not move whenever another one is seen.
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

  /** Takes the lines as they are now, the first of which lies `margin` px below the page's top. */
  take(lines: readonly VirtualLine[], margin: number): void {
    const isSame =
      lines.length === this.lines.length &&
      lines.every((line, at) => line.key === this.lines[at]!.key);
    const virtualizer = this.controller.getVirtualizer();
    const { options } = virtualizer;
    const before = this.lines;
    const added = lines.length - before.length;
    const isLonger = added > 0 && before.length > 0 && lines[added]!.key === before[0]!.key;
    // What comes above the window does not push away what is in it.
    if (isLonger && scrollY > options.scrollMargin) this.kept = this.top;
    this.lines = lines;
    if (isSame && options.scrollMargin === margin) return;
    const getItemKey = isSame ? options.getItemKey : (index: number) => lines[index]?.key ?? index;
    virtualizer.setOptions({ ...options, count: lines.length, scrollMargin: margin, getItemKey });
  }

  /** The lines to be rendered. */
  get placed(): PlacedLine[] {
    const virtualizer = this.controller.getVirtualizer();
    const margin = virtualizer.options.scrollMargin;
    return virtualizer
      .getVirtualItems()
      .map(({ index, start }) => ({ index, top: start - margin }));
  }

  /** Height of all lines together, px. */
  get height(): number {
    return this.controller.getVirtualizer().getTotalSize();
  }

  /** The page has been rendered. */
  rendered(): void {
    this.host.updated();
    const { kept } = this;
    this.kept = undefined;
    if (kept) this.show(kept.key, kept.offset);
  }

  /** This line has the focus, or none. */
  focus(key: string | undefined): void {
    this.focused = key;
  }

  /** Scrolls no further than it takes to have the line in sight, or, with an offset, to have its top that far above the window's. */
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

  /** The line at the window's top, and how far it has gone beyond it, px. */
  get top(): { key: string; offset: number } | undefined {
    const virtualizer = this.controller.getVirtualizer();
    // The virtualizer learns only later where it has just scrolled to.
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
