// Keyboard control of the list.
//
// Up and Down move the focus between lines, Left and Right fold and unfold, Ctrl+A selects all, and
// Delete removes the selected or focused torrent. Input fields keep their keys.

import type { VirtualLines } from "../ui/virtual_lines";
import type { Line } from "./lines";
import type { ListActions } from "./list_actions";
import type { Focus } from "./view_state";

/** What the keys act on. */
export interface ListKeys {
  lines(): readonly Line[];
  list: ListActions;
  /** Renders the list at once. */
  render(): void;
}

/** Watches keys and focus in `element` until the signal aborts. */
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

/**
 * Makes Ctrl+F focus the list's search field. The browser's own search finds only rendered lines;
 * pressing Ctrl+F in the field still opens it.
 */
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

/** The line and control that have the focus, if they are in the list. */
export function focusOf(element: Element | null): Focus | undefined {
  const key = element?.closest<HTMLElement>(".line")?.dataset["key"];
  const part = element?.closest<HTMLElement>("[data-testid]")?.dataset["testid"];
  return key !== undefined && part !== undefined ? { key, part } : undefined;
}

/** Focuses a control of a line. Returns false if the line is not rendered. */
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

/** Presses the line's fold button unless the line is in the wanted state already. */
function fold(line: HTMLElement, event: KeyboardEvent, isOpen: boolean): void {
  const button = line.querySelector<HTMLElement>("[data-main][aria-expanded]");
  if (!button || (button.getAttribute("aria-expanded") === "true") === isOpen) return;
  event.preventDefault();
  button.click();
}

/** Whether an element uses these keys itself. */
function isField(target: EventTarget | null): boolean {
  if (target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) return true;
  return target instanceof HTMLInputElement && target.type !== "checkbox";
}
