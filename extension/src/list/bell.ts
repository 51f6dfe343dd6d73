// The header button that turns notifications on and off.
//
// The browser stores whether they are on and asks the user for permission. So this button asks
// for nothing until it is pressed.

import type { TemplateResult } from "lit";
import { html } from "lit";
import { t } from "../text/messages";
import * as icons from "../ui/icons";
import type { Notifications } from "./outside";

/** The button and its state. */
export class Bell {
  private isOn = false;

  constructor(
    private readonly notifications: Notifications,
    private readonly changed: () => void,
    /** Called when the browser denies notifications. */
    private readonly denied: () => void,
  ) {
    void this.settle(notifications.areOn());
  }

  /** Renders the button. */
  view(): TemplateResult {
    const words = this.isOn ? t("notifyOff") : t("notifyOn");
    return html`<button
      class="icon-button"
      data-testid="notify"
      aria-label=${t("notifyOn")}
      aria-pressed=${this.isOn ? "true" : "false"}
      title=${words}
      @click=${() => void this.press()}
    >
      ${this.isOn ? icons.bell : icons.bellOff}
    </button>`;
  }

  private async press(): Promise<void> {
    const wanted = !this.isOn;
    await this.settle(this.notifications.turn(wanted));
    if (wanted && !this.isOn) this.denied();
  }

  private async settle(asked: Promise<boolean>): Promise<void> {
    this.isOn = await asked.catch(() => false);
    this.changed();
  }
}
