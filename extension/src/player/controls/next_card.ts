// The card that announces the next episode, with a countdown that the user can stop.

import { html, nothing, render } from "lit";
import { styles } from "../../ui/styles";
import type { Clock } from "../../model/clock";
import { t } from "../../text/messages";

/** Counts whole seconds down to zero. */
export class Countdown {
  private endMs = 0;
  private timer: (() => void) | undefined;

  constructor(
    private readonly clock: Clock,
    /** Called with the seconds left: at once, and then every second. */
    private readonly tick: (leftS: number) => void,
    private readonly done: () => void,
  ) {}

  start(seconds: number): void {
    this.stop();
    this.endMs = this.clock.now() + seconds * 1000;
    this.step();
  }

  stop(): void {
    this.timer?.();
    this.timer = undefined;
  }

  private step(): void {
    const leftMs = this.endMs - this.clock.now();
    if (leftMs <= 0) {
      this.timer = undefined;
      return this.done();
    }
    const leftS = Math.ceil(leftMs / 1000);
    this.tick(leftS);
    // Timers of background pages are late; the end time stays the same.
    this.timer = this.clock.after(leftMs - (leftS - 1) * 1000, () => this.step());
  }
}

/** What the card reports to its owner. */
export interface NextCardPort {
  /** The time is up, or the user pressed the button. */
  playNow(): void;
  /** The user cancelled. */
  cancelled?(): void;
}

/** The card. It lies over the stage, and Escape cancels it. */
export class NextCard {
  private readonly host: HTMLElement;
  private readonly countdown: Countdown;
  private readonly ending = new AbortController();
  private card: { title: string; leftS: number; totalS: number } | undefined;

  constructor(
    root: HTMLElement,
    clock: Clock,
    private readonly port: NextCardPort,
    signal: AbortSignal,
  ) {
    const page = root.ownerDocument;
    this.host = page.createElement("div");
    this.host.className = "next-card-place";
    root.append(this.host);
    this.countdown = new Countdown(
      clock,
      (leftS) => this.handleTick(leftS),
      () => this.play(),
    );
    // Captured before the controls get the key. An open menu takes precedence over the card.
    page.addEventListener("keydown", (event) => this.handleKey(event, root), {
      capture: true,
      signal: this.ending.signal,
    });
    this.render();
    if (signal.aborted) this.destroy();
    else signal.addEventListener("abort", () => this.destroy(), { signal: this.ending.signal });
  }

  get shown(): boolean {
    return this.card !== undefined;
  }

  /** Announces an episode, and plays it after `seconds`. */
  show(title: string, seconds = 10): void {
    this.card = { title, leftS: seconds, totalS: seconds };
    this.countdown.start(seconds);
  }

  /** Hides the card without calling anybody. */
  hide(): void {
    this.countdown.stop();
    this.card = undefined;
    this.render();
  }

  destroy(): void {
    if (this.ending.signal.aborted) return;
    this.ending.abort();
    this.countdown.stop();
    this.card = undefined;
    render(nothing, this.host);
    this.host.remove();
  }

  private play(): void {
    this.hide();
    this.port.playNow();
  }

  private cancel(): void {
    this.hide();
    this.port.cancelled?.();
  }

  private handleTick(leftS: number): void {
    if (this.card) this.card = { ...this.card, leftS };
    this.render();
  }

  private handleKey(event: KeyboardEvent, root: HTMLElement): void {
    if (event.key !== "Escape" || !this.card || root.querySelector("[role=menu]")) return;
    event.preventDefault();
    event.stopPropagation();
    this.cancel();
  }

  private render(): void {
    const { card } = this;
    render(
      html`<p class="unseen" role="status">
        ${card ? t("playerNextSaid", card.totalS, card.title) : ""}
      </p>
        ${
          card
            ? html`<div
              class="next-card"
              role="group"
              aria-label=${t("playerNext")}
              data-testid="next-card"
            >
              <p class="next-in" aria-hidden="true">${t("playerNextIn", card.leftS)}</p>
              <p class="next-title"><bdi>${card.title}</bdi></p>
              <div class="next-buttons">
                <button class="next-button" data-testid="next-cancel" @click=${() => this.cancel()}>
                  ${t("commonCancel")}
                </button>
                <button
                  class="next-button next-now"
                  data-testid="next-play"
                  ${styles({ "--share": String(1 - (card.leftS - 1) / card.totalS) })}
                  @click=${() => this.play()}
                >
                  ${t("playerPlayNow")}
                </button>
              </div>
            </div>`
            : nothing
        }`,
      this.host,
    );
  }
}
