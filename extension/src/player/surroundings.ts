// What a session of the player needs from its page.

import type { Host } from "../host/host";
import type { Clock } from "../model/clock";
import type { CountingVideo } from "./progress";

/** What a session needs from the page. */
export interface Surroundings {
  host: Host;
  video: CountingVideo;
  /** The element in which subtitles are drawn. */
  layer: HTMLElement;
  clock: Clock;
  /** Scale of subtitles. 1 is normal. */
  subtitleSize: number;
  /** Whether a user opened the film, rather than the browser restoring the page. */
  isOpenedByHand: boolean;
  /** Called when the session's state has changed. */
  changed(): void;
}
