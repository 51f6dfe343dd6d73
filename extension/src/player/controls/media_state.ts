// The state of the `<video>`, read when one of its events reports a change.
//
// The controls show this state and never what they requested, so a refused `play()` never looks
// like playing.

/** A part of the film, in seconds. */
export interface Span {
  start: number;
  end: number;
}

/** The properties of the `<video>` that the controls show. */
export interface MediaState {
  /** The film's length and tracks are known. */
  opened: boolean;
  paused: boolean;
  ended: boolean;
  timeS: number;
  /** In seconds. NaN or infinite while unknown. */
  durationS: number;
  /** 0–1, also while muted. */
  volume: number;
  muted: boolean;
  rate: number;
  /** The parts in the browser's memory. */
  buffered: readonly Span[];
  hasPicture: boolean;
  inPictureInPicture: boolean;
  fullScreen: boolean;
}

const EVENTS = (
  "loadstart emptied loadedmetadata loadeddata durationchange resize canplay play playing pause " +
  "ended waiting seeking seeked timeupdate progress volumechange ratechange " +
  "enterpictureinpicture leavepictureinpicture"
).split(" ");

/** Reads the element's current properties. */
function readMedia(video: HTMLVideoElement, root: Element): MediaState {
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

/** Keeps the state up to date. `changed` gets the event's name and the state before it. */
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
