// Measures the length of a frame from the first frames that are shown.

/** Assumed until measured: a frame at 25 per second. */
const USUAL_S = 0.04;
/** Longer steps are frames that a busy browser skipped. */
const LONGEST_S = 0.06;
const SAMPLES = 12;

/** The length of a frame of the open film. */
export class FrameLength {
  private steps: number[] = [];
  private last = NaN;
  private callback: number | undefined;

  constructor(private readonly video: HTMLVideoElement) {
    this.measure();
  }

  /** Length of a frame in seconds. */
  get seconds(): number {
    // The browser may skip frames but never repeats them: the shortest step is one frame.
    return this.steps.length > 0 ? Math.min(...this.steps) : USUAL_S;
  }

  /** To be called when another film is opened. */
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
