// The list by keyboard: up and down from line to line, left and right to fold and unfold, all at
// once with Ctrl+A, Delete for what is selected or has the focus.
//
// It moves the focus and presses what is in the lines; what these do is their own. Fields keep
// their keys.

import type { VirtualLines } from "../ui/virtual_lines";
import type { Line } from "./lines";
import type { ListActions } from "./list_actions";
import type { Focus } from "./view_state";

/** What keys do to the list as a whole. */
export interface ListKeys {
  lines(): readonly Line[];
  list: ListActions;
  /** Renders now. */
  render(): void;
}

/** Watches keys and focus in this element until the signal aborts. */
export function watchLines(
  element: HTMLElement,
  virtual: VirtualLines,
  keys: ListKeys,
  signal: AbortSignal,
): void {
  const lineOf = (target: EventTarget | null) =>
    (target as Element | null)?.closest?.<HTMLElement>(".line") ?? undefined;
  const options = { signal };
  element.addEventListener(
    "focusin",
    ({ target }) => virtual.focus(lineOf(target)?.dataset["key"]),
    options,
  );
  element.addEventListener(
    "focusout",
    ({ relatedTarget }) => virtual.focus(lineOf(relatedTarget)?.dataset["key"]),
    options,
  );
  element.addEventListener(
    "keydown",
    (event) => {
      const line = lineOf(event.target);
      if (!line || event.altKey || event.ctrlKey || event.metaKey || isField(event.target)) return;
      const up = event.key === "ArrowUp";
      if (up || event.key === "ArrowDown") {
        event.preventDefault();
        step(line, event.target as HTMLElement, up ? -1 : 1, virtual, keys);
      }
      if (event.key === "ArrowLeft" || event.key === "ArrowRight")
        fold(line, event, event.key === "ArrowRight");
    },
    options,
  );
  document.addEventListener(
    "keydown",
    (event) => {
      if (isField(event.target) || event.defaultPrevented || document.querySelector("dialog[open]"))
        return;
      if (event.key.toLowerCase() === "a" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        keys.list.selectAll();
      }
      if (event.key === "Escape") keys.list.selectNone();
      if (event.key === "Delete") {
        const key = lineOf(event.target)?.dataset["key"];
        keys.list.removeSelected(keys.lines().find((line) => line.key === key)?.infoHash);
      }
    },
    options,
  );
}

/** Has Ctrl+F find torrents: the browser's own search finds only what is in the page. Pressed again, that is there as ever. */
export function watchFind(signal: AbortSignal): void {
  const find = (event: KeyboardEvent) => {
    const search = document.querySelector<HTMLInputElement>("[data-testid=search]");
    const isWanted =
      event.key.toLowerCase() === "f" && (event.ctrlKey || event.metaKey) && !event.shiftKey;
    if (
      !search ||
      !isWanted ||
      document.activeElement === search ||
      document.querySelector("dialog[open]")
    )
      return;
    event.preventDefault();
    search.focus();
    search.select();
  };
  document.addEventListener("keydown", find, { signal });
}

/** What has the focus, if it is in a line. */
export function focusOf(element: Element | null): Focus | undefined {
  const key = element?.closest<HTMLElement>(".line")?.dataset["key"];
  const part = element?.closest<HTMLElement>("[data-testid]")?.dataset["testid"];
  return key !== undefined && part !== undefined ? { key, part } : undefined;
}

/** Gives the focus to a part of a line, if both are in the page. */
export function focusOn({ key, part }: Focus): boolean {
  const line = [...document.querySelectorAll<HTMLElement>(".line")].find(
    (candidate) => candidate.dataset["key"] === key,
  );
  const target =
    line?.querySelector<HTMLElement>(`[data-testid="${part}"]`) ??
    line?.querySelector<HTMLElement>("[data-main]");
  const any = target ?? line?.querySelector<HTMLElement>("a[href], button, input");
  any?.focus();
  return any !== undefined && any !== null;
}

function step(
  line: HTMLElement,
  from: HTMLElement,
  by: number,
  virtual: VirtualLines,
  keys: ListKeys,
): void {
  const next = keys.lines()[Number(line.dataset["line"]) + by];
  if (!next) return;
  virtual.focus(next.key);
  virtual.show(next.key);
  keys.render();
  focusOn({
    key: next.key,
    part: from.closest<HTMLElement>("[data-testid]")?.dataset["testid"] ?? "",
  });
}

/** Presses what folds the line, unless it is as it should be. */
function fold(line: HTMLElement, event: KeyboardEvent, isOpen: boolean): void {
  const button = line.querySelector<HTMLElement>("[data-main][aria-expanded]");
  if (!button || (button.getAttribute("aria-expanded") === "true") === isOpen) return;
  event.preventDefault();
  button.click();
}

/** Whether an element needs keys for itself. */
function isField(target: EventTarget | null): boolean {
  if (target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) return true;
  return target instanceof HTMLInputElement && target.type !== "checkbox";
}
