// Connects the player to the system's media panel and media keys.

import type { Command } from "./keys";
import type { MediaState } from "./media_state";

/** What the media panel's buttons do. */
export interface SessionPort {
  play(): void;
  pause(): void;
  seekTo(seconds: number): void;
  perform(command: Command): void;
}

const STEP_S = 10;

/** The system's media panel for one player. */
export class SystemPanel {
  private title: string | undefined;
  private neighbours = "";
  private readonly actions = new Set<MediaSessionAction>();

  /** `session` is undefined where the browser has none. */
  constructor(
    private readonly session: MediaSession | undefined,
    private readonly port: SessionPort,
  ) {
    this.on("play", () => port.play());
    this.on("pause", () => port.pause());
    this.on("seekto", ({ seekTime }) => seekTime != null && port.seekTo(seekTime));
    this.on("seekbackward", ({ seekOffset }) =>
      port.perform({ does: "seek_by", seconds: -(seekOffset ?? STEP_S) }),
    );
    this.on("seekforward", ({ seekOffset }) =>
      port.perform({ does: "seek_by", seconds: seekOffset ?? STEP_S }),
    );
  }

  describe(title: string, hasPrevious: boolean, hasNext: boolean): void {
    if (this.session && title !== this.title) {
      this.title = title;
      this.session.metadata = new MediaMetadata({ title });
    }
    const neighbours = `${hasPrevious} ${hasNext}`;
    if (neighbours === this.neighbours) return;
    this.neighbours = neighbours;
    // The panel shows a button if there is a handler for it.
    this.on("previoustrack", hasPrevious ? () => this.port.perform({ does: "previous" }) : null);
    this.on("nexttrack", hasNext ? () => this.port.perform({ does: "next" }) : null);
  }

  /** To be called when the film moved, paused, resumed, or changed its speed. */
  follow(state: MediaState, durationS: number): void {
    const { session } = this;
    if (!session) return;
    session.playbackState = !state.opened ? "none" : state.paused ? "paused" : "playing";
    if (!state.opened || !Number.isFinite(durationS) || durationS <= 0) session.setPositionState();
    else
      session.setPositionState({
        duration: durationS,
        position: Math.min(state.timeS, durationS),
        playbackRate: state.rate,
      });
  }

  destroy(): void {
    if (!this.session) return;
    for (const action of this.actions) this.on(action, null);
    this.session.metadata = null;
    this.session.playbackState = "none";
    this.session.setPositionState();
  }

  private on(action: MediaSessionAction, handler: MediaSessionActionHandler | null): void {
    this.actions.add(action);
    try {
      this.session?.setActionHandler(action, handler);
    } catch {
      // The browser does not know the action; its panel has no such button.
    }
  }
}
