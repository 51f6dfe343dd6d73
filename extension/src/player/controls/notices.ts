// Short notices over the picture and for screen readers, once a requested change has happened.
//
// Changes that nobody requested (a restored choice, another film) give no notice.

import type { Clock } from "../../model/clock";
import { percentOf, t } from "../../text/messages";
import type { MediaState } from "./media_state";
import { chosenIn } from "./menus";
import type { ControlsModel } from "./model";
import { delaySentence, skipped, speedSentence } from "./words";

const FLASH_MS = 900;

/** Changes that a user can request. */
export type Expected = "audio" | "subtitles" | "delay" | "size" | "rate" | "volume";

/** A notice over the picture. */
export interface Flash {
  words: string;
  /** Where it appears: -1 left, 1 right. */
  side: -1 | 0 | 1;
}

/** The current notices. */
export class Notices {
  /** The notice over the picture. */
  flash: (Flash & { skipS: number; off: () => void }) | undefined;
  /** The text for screen readers. The last one stays. */
  spoken = "";
  private readonly expected = new Set<Expected>();

  constructor(
    private readonly clock: Clock,
    private readonly changed: () => void,
  ) {}

  expect(change: Expected): void {
    this.expected.add(change);
  }

  /** To be called when another film is opened: pending requests will not happen. */
  forget(): void {
    this.expected.clear();
  }

  destroy(): void {
    this.flash?.off();
  }

  /** Takes a new model of the same film. */
  handleModel(before: ControlsModel, model: ControlsModel, state: MediaState): void {
    const scene = { model, state };
    const { audio, subtitles } = before;
    const isDone = (change: Expected, was: unknown, is: unknown) =>
      was !== is && this.expected.delete(change);
    if (isDone("audio", audio.selected, model.audio.selected))
      this.tell(t("playerAudioSaid", chosenIn("audio", scene)));
    if (isDone("subtitles", subtitles.selected, model.subtitles.selected))
      this.tell(t("playerSubtitlesSaid", chosenIn("subtitles", scene)));
    if (isDone("delay", subtitles.delayS, model.subtitles.delayS))
      this.tell(delaySentence(model.subtitles.delayS));
    if (isDone("size", subtitles.size, model.subtitles.size))
      this.tell(t("playerSizeSaid", percentOf(model.subtitles.size)));
  }

  /** The element's volume or speed has changed. */
  handleMedia(before: MediaState, { volume, muted, rate }: MediaState): void {
    if (rate !== before.rate && this.expected.delete("rate")) this.tell(speedSentence(rate));
    if ((volume === before.volume && muted === before.muted) || !this.expected.delete("volume"))
      return;
    this.show(muted ? t("playerMuted") : t("playerVolumeAt", percentOf(volume)));
    if (muted !== before.muted) this.say(muted ? t("playerMuted") : t("playerUnmuted"));
  }

  show(text: string, side: -1 | 0 | 1 = 0, skipS = 0): void {
    this.flash?.off();
    const off = this.clock.after(FLASH_MS, () => {
      this.flash = undefined;
      this.changed();
    });
    this.flash = { words: text, side, skipS, off };
    this.changed();
  }

  /** Shows how far the film is skipped. Quick steps in one direction add up. */
  showSkip(seconds: number): void {
    const { skipS = 0 } = this.flash ?? {};
    const sum = (skipS * seconds > 0 ? skipS : 0) + seconds;
    this.show(skipped(sum), seconds < 0 ? -1 : 1, sum);
  }

  private tell(text: string): void {
    this.show(text);
    this.say(text);
  }

  private say(text: string): void {
    // Screen readers ignore the same text again, so a space is added.
    this.spoken = text === this.spoken ? `${text}\u00a0` : text;
    this.changed();
  }
}
