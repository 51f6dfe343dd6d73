// What is given to the page as a whole: files and links held over it and dropped, links pasted on
// it.
//
// Without this Chrome would leave the page and show what was dropped. Fields keep what is pasted
// into them.

import type { Clock } from "../model/clock";
import { realClock } from "../model/clock";
import { linksOf } from "../text/torrent_link";

/** What is told of drags. */
export interface DropListener {
  /** Whether something is held over the page. */
  dragging(over: boolean): void;
  dropped(data: DataTransfer): void;
}

/** While something is held over a page, its browser says so at least every 350 ms. */
const GONE_MS = 1_000;

/** Watches the whole page. What is dragged from the page itself, such as a row's link, is none of it. */
export function watchDrops(
  listener: DropListener,
  clock: Clock = realClock,
  page: EventTarget = window,
): void {
  let over = false;
  let fromHere = false;
  let cancel: () => void = () => {};
  const set = (now: boolean) => {
    cancel();
    // An element that goes away under the pointer tells nobody that it was left.
    if (now) cancel = clock.after(GONE_MS, () => set(false));
    if (now !== over) listener.dragging((over = now));
  };
  const on = (type: string, handle: (event: DragEvent) => void) =>
    page.addEventListener(type, handle as (event: Event) => void);
  on("dragstart", () => (fromHere = true));
  on("dragend", () => (fromHere = false));
  for (const type of ["dragenter", "dragover"])
    on(type, (event) => {
      if (fromHere) return;
      event.preventDefault();
      if (event.dataTransfer) event.dataTransfer.dropEffect = "copy";
      set(true);
    });
  on("dragleave", (event) => {
    if (event.relatedTarget === null) set(false);
  });
  on("drop", (event) => {
    set(false);
    if (fromHere && isField(event.target)) return;
    // Without this the page would be left for what was dropped.
    event.preventDefault();
    if (!fromHere && event.dataTransfer) listener.dropped(event.dataTransfer);
    fromHere = false;
  });
}

function isField(target: EventTarget | null): boolean {
  return target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement;
}

/** Calls back with links that are pasted anywhere but into a field. */
export function watchPastes(pasted: (links: string[]) => void): void {
  addEventListener("paste", (event) => {
    if (isField(event.target)) return;
    const links = event.clipboardData ? linksIn(event.clipboardData) : [];
    if (links.length === 0) return;
    event.preventDefault();
    pasted(links);
  });
}

/** The files in what was dropped. */
export function filesOf(data: DataTransfer): File[] {
  return [...data.files];
}

/** The links in what was dropped or pasted, if it is nothing else. */
export function linksIn(data: Pick<DataTransfer, "getData">): string[] {
  for (const type of ["text/uri-list", "text/plain"]) {
    const links = linksOf(data.getData(type));
    if (links.length > 0) return links;
  }
  return [];
}
