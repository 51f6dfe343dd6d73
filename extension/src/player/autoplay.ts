// Starts a film as soon as it is open, unless the user or the browser does not want that.

/** Starts the film of one session; ends with the signal. */
export class Autoplay {
  /** Whether the browser requires a click before it plays sound. */
  isBlocked = false;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly signal: AbortSignal,
    private readonly changed: () => void,
  ) {
    video.autoplay = true;
    const on = (type: string, listener: () => void) =>
      video.addEventListener(type, listener, { signal });
    on("pause", () => {
      // A user who pauses while the film opens does not want it to start.
      if (video.error === null) video.autoplay = false;
    });
    on("playing", () => {
      this.isBlocked = false;
      // Once it has played, a later `canplay` must not undo the user's pause.
      video.autoplay = false;
    });
    on("canplay", () => this.tryToPlay());
  }

  private tryToPlay(): void {
    const { video } = this;
    if (!video.paused || !video.autoplay) return;
    video.play().catch((error: unknown) => {
      if (this.signal.aborted) return;
      this.isBlocked = error instanceof DOMException && error.name === "NotAllowedError";
      this.changed();
    });
  }
}
