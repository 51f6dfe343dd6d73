// How long one frame of the film lasts, measured from the first frames that are shown.

/** A frame of 25 a second, until measured. */
const USUAL_S = 0.04;
/** Longer steps are frames that a busy browser left out. */
const LONGEST_S = 0.06;
const SAMPLES = 12;

export class FrameLength {
  private steps: number[] = [];
  private last = NaN;
  private callback: number | undefined;

  constructor(private readonly video: HTMLVideoElement) {
    this.measure();
  }

  /** Seconds. */
  get seconds(): number {
    // Frames may be left out, never doubled: the shortest step is one frame.
    return this.steps.length > 0 ? Math.min(...this.steps) : USUAL_S;
  }

  /** Another film is open. */
  reset(): void {
    this.destroy();
    this.steps = [];
    this.last = NaN;
    this.measure();
  }

  destroy(): void {
    if (this.callback !== undefined) this.video.cancelVideoFrameCallback(this.callback);
  }

  private measure(): void {
    this.callback = this.video.requestVideoFrameCallback?.((_, { mediaTime }) => {
      const step = mediaTime - this.last;
      this.last = mediaTime;
      if (step > 0.004 && step < LONGEST_S) this.steps.push(step);
      if (this.steps.length < SAMPLES) this.measure();
    });
  }
}
