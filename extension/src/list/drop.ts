// What is given to the page as a whole: files and links held over it and dropped, links pasted on it.
//
// Without this Chrome would leave the page and show what was dropped. Fields keep what is pasted into them.

import { linksOf } from "../text/torrent_link";

/** What is told of drags. */
export interface DropListener {
  /** Whether something is held over the page. */
  dragging(over: boolean): void;
  dropped(data: DataTransfer): void;
}

/** Watches the whole page. */
export function watchDrops(listener: DropListener): void {
  // Every element under the pointer enters and leaves; the page itself does when the count is back at zero.
  let depth = 0;
  addEventListener("dragenter", (event) => {
    event.preventDefault();
    depth += 1;
    if (depth === 1) listener.dragging(true);
  });
  addEventListener("dragover", (event) => {
    event.preventDefault();
    if (event.dataTransfer) event.dataTransfer.dropEffect = "copy";
  });
  addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    if (depth === 0) listener.dragging(false);
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    listener.dragging(false);
    if (event.dataTransfer) listener.dropped(event.dataTransfer);
  });
}

/** Calls back with links that are pasted anywhere but into a field. */
export function watchPastes(pasted: (links: string[]) => void): void {
  addEventListener("paste", (event) => {
    if (event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement) return;
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
