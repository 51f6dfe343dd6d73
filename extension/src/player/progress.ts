// How far a film was played: reports it to the engine, and notices missing picture or sound.

import type { Host } from "../host/host";
import type { Clock } from "../model/clock";
import type { Lack } from "./failure";
import type { FilmName } from "./film_name";
import { topicOf } from "./film_name";

/** How often the position is reported, in ms. */
const REPORT_MS = 5_000;
/** How long a film plays before missing sound or picture is reported, in seconds. */
const LACK_AFTER_S = 3;

/** Chrome counts decoded bytes; there is no standard for it. */
export type CountingVideo = HTMLVideoElement & { readonly webkitAudioDecodedByteCount?: number };

/** Follows the playback of one film, from its first second to `destroy`. */
export class Progress {
  /** What is missing from the film, once it has played for some seconds. */
  lack: Lack = { picture: false, sound: false };
  private playedS = 0;
  private lastTime = 0;
  private reportedS: number | undefined;
  private cancelReport: () => void = () => {};

  constructor(
    private readonly video: CountingVideo,
    private readonly host: Host,
    private readonly clock: Clock,
    private readonly name: FilmName,
  ) {
    this.reportRepeatedly();
  }

  /** To be called at each `timeupdate` of the `<video>`. */
  handleTime(): void {
    const { video } = this;
    const step = video.currentTime - this.lastTime;
    this.lastTime = video.currentTime;
    // Larger steps are seeks.
    if (step > 0 && step < 1) this.playedS += step;
    if (this.playedS < LACK_AFTER_S) return;
    const file = this.host.topic(topicOf(this.name))?.file;
    const isVideo = file?.contentType.startsWith("video/") ?? false;
    const picture = isVideo && video.videoWidth === 0;
    this.lack = { picture, sound: !picture && video.webkitAudioDecodedByteCount === 0 };
  }

  /** Reports the position to the engine, if it has changed. */
  report(): void {
    const { video } = this;
    if (video.readyState === 0 || this.playedS === 0 || this.reportedS === video.currentTime)
      return;
    this.reportedS = video.currentTime;
    const { infoHash, index: file } = this.name;
    const durationS = Number.isFinite(video.duration) ? video.duration : null;
    void this.host.intent({
      kind: "watched",
      infoHash,
      file,
      positionS: video.currentTime,
      durationS,
      watched: null,
    });
  }

  /** Reports the last position and stops. */
  destroy(): void {
    this.report();
    this.cancelReport();
  }

  private reportRepeatedly(): void {
    this.cancelReport = this.clock.after(REPORT_MS, () => {
      this.report();
      this.reportRepeatedly();
    });
  }
}
