// What the `<video>` is doing, read only when one of its own events says that something changed.
//
// The controls render this state and never what they asked for, so a refused `play()` never shows
// as playing.

/** A part of the film, seconds. */
export interface Span {
  start: number;
  end: number;
}

export interface MediaState {
  /** The film's length and tracks are known. */
  opened: boolean;
  paused: boolean;
  ended: boolean;
  timeS: number;
  /** Seconds; NaN or infinite while unknown. */
  durationS: number;
  /** 0–1, whether muted or not. */
  volume: number;
  muted: boolean;
  rate: number;
  /** What the browser holds in memory. */
  buffered: readonly Span[];
  hasPicture: boolean;
  inPictureInPicture: boolean;
  fullScreen: boolean;
}

const EVENTS = (
  "loadstart emptied loadedmetadata loadeddata durationchange resize canplay play playing pause ended waiting seeking seeked " +
  "timeupdate progress volumechange ratechange enterpictureinpicture leavepictureinpicture"
).split(" ");

/** The properties of the element as they are now. */
export function readMedia(video: HTMLVideoElement, root: Element): MediaState {
  const { buffered, ownerDocument } = video;
  return {
    opened: video.readyState > 0,
    paused: video.paused,
    ended: video.ended,
    timeS: video.currentTime,
    durationS: video.duration,
    volume: video.volume,
    muted: video.muted,
    rate: video.playbackRate,
    buffered: Array.from({ length: buffered.length }, (_, index) => ({
      start: buffered.start(index),
      end: buffered.end(index),
    })),
    hasPicture: video.videoWidth > 0,
    inPictureInPicture: ownerDocument.pictureInPictureElement === video,
    fullScreen: ownerDocument.fullscreenElement === root,
  };
}

/** Keeps the state current. `changed` gets the name of the event and the state before it. */
export class MediaStore {
  state: MediaState;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly root: Element,
    private readonly changed: (event: string, before: MediaState) => void,
    signal: AbortSignal,
  ) {
    this.state = readMedia(video, root);
    const listen = (event: Event) => this.read(event.type);
    for (const name of EVENTS) video.addEventListener(name, listen, { signal });
    video.ownerDocument.addEventListener("fullscreenchange", listen, { signal });
  }

  private read(event: string): void {
    const before = this.state;
    this.state = readMedia(this.video, this.root);
    this.changed(event, before);
  }
}
