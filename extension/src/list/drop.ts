// Drops and pastes on the page as a whole: files and links.
//
// Without this, Chrome would navigate to a dropped file. Input fields handle pastes themselves.

import type { Clock } from "../model/clock";
import { realClock } from "../model/clock";
import { linksOf } from "../text/torrent_link";

/** Callbacks for drags over the page. */
export interface DropListener {
  /** Called when a drag enters or leaves the page. */
  dragging(over: boolean): void;
  dropped(data: DataTransfer): void;
}

/** Time without a `dragover` event after which the drag is over. Browsers send one every 350 ms. */
const GONE_MS = 1_000;

/**
 * Watches the whole page. Drags that start on the page itself, such as a row's link, are ignored.
 */
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
    // An element that is removed under the pointer sends no `dragleave`.
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
    // Keeps Chrome from navigating to the dropped file.
    event.preventDefault();
    if (!fromHere && event.dataTransfer) listener.dropped(event.dataTransfer);
    fromHere = false;
  });
}

function isField(target: EventTarget | null): boolean {
  return target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement;
}

/** Calls back with links that are pasted outside of input fields. */
export function watchPastes(pasted: (links: string[]) => void): void {
  addEventListener("paste", (event) => {
    if (isField(event.target)) return;
    const links = event.clipboardData ? linksIn(event.clipboardData) : [];
    if (links.length === 0) return;
    event.preventDefault();
    pasted(links);
  });
}

/** The files of a drop. */
export function filesOf(data: DataTransfer): File[] {
  return [...data.files];
}

/** The links of a drop or paste. Empty if it contains any other text. */
export function linksIn(data: Pick<DataTransfer, "getData">): string[] {
  for (const type of ["text/uri-list", "text/plain"]) {
    const links = linksOf(data.getData(type));
    if (links.length > 0) return links;
  }
  return [];
}
