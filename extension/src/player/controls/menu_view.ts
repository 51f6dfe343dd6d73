// A menu on the screen: its template, and its keys.

import type { TemplateResult } from "lit";
import { html, nothing } from "lit";
import { keyed } from "lit/directives/keyed.js";
import { repeat } from "lit/directives/repeat.js";
import { t } from "../../text/messages";
import * as shared from "../../ui/icons";
import * as icons from "./icons";
import { isChord } from "./keys";
import type { Menu, MenuGroup, MenuItem, MenuName } from "./menus";
import { focusAfter } from "./menus";

/** What a menu needs from the controls. */
export interface MenuPort {
  open(name: MenuName, back: MenuName | undefined): void;
  /** `refocus`: the focus returns to the button that opened the menu. */
  close(refocus: boolean): void;
}

/** A menu. */
export function menuView(menu: Menu, port: MenuPort): TemplateResult {
  const goBack = () => menu.back && port.open(menu.back, undefined);
  return html`${keyed(
    menu.name,
    html`<div
      class="menu"
      id="controls-menu"
      role="menu"
      tabindex="-1"
      aria-label=${menu.title}
      data-testid="control-menu"
      data-name=${menu.name}
      @keydown=${(event: KeyboardEvent) => handleKey(event, menu, port)}
    >
      ${
        menu.back
          ? html`<button
            class="item item-back"
            role="menuitem"
            tabindex="-1"
            aria-label=${t("playerBack", menu.title)}
            @click=${goBack}
          >
            ${shared.back}<span>${menu.title}</span>
          </button>`
          : html`<p class="menu-title" role="presentation" aria-hidden="true">${menu.title}</p>`
      }
      ${menu.groups.map((group) => groupView(group, menu, port))}
    </div>`,
  )}`;
}

function groupView(group: MenuGroup, menu: Menu, port: MenuPort): TemplateResult {
  const { stepper, items } = group;
  if (stepper) {
    const value = html`<span class="stepper-value" aria-hidden="true">${stepper.value}</span>`;
    return html`<div
      class="group stepper"
      role="group"
      aria-label=${`${stepper.label}: ${stepper.value}`}
    >
      <span class="stepper-label" aria-hidden="true">${stepper.label}</span>
      ${items.map(
        (item, index) => html`${index === 1 ? value : nothing}
        <button
          class="step"
          role="menuitem"
          tabindex="-1"
          aria-label=${item.label}
          data-key=${item.key}
          @click=${() => choose(item, menu.name, port)}
        >
          ${index === 0 ? icons.minus : shared.plus}
        </button>`,
      )}
    </div>`;
  }
  return html`<div class="group" role="group" aria-label=${menu.title}>
    ${repeat(
      items,
      ({ key }) => key,
      (item) => itemView(item, menu, port),
    )}
  </div>`;
}

/** An item. Items keep their elements when tracks arrive, so focus and clicks stay with them. */
function itemView(item: MenuItem, menu: Menu, port: MenuPort): TemplateResult {
  const isChoice = item.checked !== undefined;
  return html`<button
    class="item"
    role=${isChoice ? "menuitemradio" : "menuitem"}
    aria-checked=${isChoice ? String(item.checked) : nothing}
    aria-haspopup=${item.opens ? "menu" : nothing}
    tabindex="-1"
    data-key=${item.key}
    @click=${() => choose(item, menu.name, port)}
  >
    ${isChoice ? html`<span class="tick">${item.checked ? shared.check : nothing}</span>` : nothing}
    <bdi class="item-label">${item.label}</bdi>
    ${item.value ? html`<bdi class="item-value">${item.value}</bdi>` : nothing}
    ${item.opens ? icons.forward : nothing}
  </button>`;
}

function choose(item: MenuItem, from: MenuName, port: MenuPort): void {
  if (item.opens) return port.open(item.opens, from);
  if (!item.stays) port.close(true);
  item.act?.();
}

/** The items of an open menu, in order. */
function itemsOf(element: Element): HTMLElement[] {
  return [...element.querySelectorAll<HTMLElement>("[role^=menuitem]")];
}

/**
 * Focuses a menu. Opened by keyboard: the chosen item, or the first. Otherwise the menu itself, so
 * that keys work and no item looks chosen.
 */
export function focusMenu(element: HTMLElement, byKeyboard: boolean): void {
  const items = itemsOf(element);
  const chosen = items.find((item) => item.getAttribute("aria-checked") === "true");
  chosen?.scrollIntoView({ block: "nearest" });
  if (!byKeyboard) element.focus({ preventScroll: true });
  else (chosen ?? items.find((item) => !item.classList.contains("item-back")) ?? items[0])?.focus();
}

function handleKey(event: KeyboardEvent, menu: Menu, port: MenuPort): void {
  const { key } = event;
  if (isChord(event)) return;
  const items = itemsOf(event.currentTarget as Element);
  const from = items.indexOf(event.target as HTMLElement);
  const inStepper = items[from]?.matches(".stepper *") ?? false;
  event.stopPropagation();
  if (key === "Enter" || key === " ") return;
  if (key === "Tab") return port.close(true);
  if (key === "Escape" || (key === "ArrowLeft" && menu.back && !inStepper)) {
    event.preventDefault();
    if (menu.back) port.open(menu.back, undefined);
    else port.close(true);
    return;
  }
  if (key === "ArrowRight" && items[from]?.getAttribute("aria-haspopup")) {
    event.preventDefault();
    items[from]?.click();
    return;
  }
  const sideways = inStepper ? { ArrowLeft: "ArrowUp", ArrowRight: "ArrowDown" }[key] : undefined;
  const to = focusAfter(
    sideways ?? key,
    from,
    items.map((item) => item.getAttribute("aria-label") ?? item.innerText.trim()),
  );
  if (to === undefined) return;
  event.preventDefault();
  items[to]?.focus();
}
