// Performs commands of keys, buttons, menus and gestures on the `<video>` or the session.
//
// It does not change the state of the controls: that follows from the element's events and the
// session's next model.

import { t } from "../../text/messages";
import type { FrameLength } from "./frame_length";
import type { Command } from "./keys";
import type { MediaState } from "./media_state";
import { rateAfter } from "./menus";
import type { ControlsModel, ControlsPort } from "./model";
import type { Notices } from "./notices";
import type { Seeker } from "./seeker";

/** What commands act on. */
export interface CommandScene {
  readonly root: HTMLElement;
  readonly video: HTMLVideoElement;
  readonly port: ControlsPort;
  readonly seeker: Seeker;
  readonly frameLength: FrameLength;
  readonly notices: Notices;
  state(): MediaState;
  model(): ControlsModel;
  durationS(): number;
  /** Ends a drag of the seek bar or closes a menu. Returns false if there was neither. */
  dismiss(): boolean;
}

/** Performs commands. */
export class Commands {
  private lastSubtitles: string | undefined;

  constructor(private readonly scene: CommandScene) {}

  perform(command: Command): void {
    const { scene } = this;
    const { port, video, root } = scene;
    switch (command.does) {
      case "toggle_play":
        return video.paused ? this.play() : video.pause();
      case "seek_by":
        scene.notices.showSkip(command.seconds);
        return scene.seeker.by(command.seconds);
      case "seek_to_share":
        if (Number.isFinite(scene.durationS())) scene.seeker.to(command.share * scene.durationS());
        else if (command.share === 0) scene.seeker.to(0);
        return;
      case "step_frame":
        return scene.seeker.by(command.direction * scene.frameLength.seconds);
      case "volume_by":
        return this.setVolume((video.muted ? 0 : video.volume) + command.by);
      case "toggle_mute":
        return this.toggleMute();
      case "speed_by":
        return this.setRate(rateAfter(video.playbackRate, command.steps));
      case "delay_by":
        return this.delayBy(command.seconds);
      case "toggle_subtitles":
        return this.toggleSubtitles();
      case "cycle_subtitles":
        return this.cycleSubtitles();
      case "cycle_audio":
        return this.cycleAudio();
      case "toggle_full_screen":
        return void (
          scene.state().fullScreen ? document.exitFullscreen() : root.requestFullscreen()
        ).catch(() => {});
      case "toggle_picture_in_picture":
        return this.togglePictureInPicture();
      case "next":
        return scene.model().hasNext ? port.next() : undefined;
      case "previous":
        return scene.model().hasPrevious ? port.previous() : undefined;
      case "escape":
        if (!scene.dismiss() && scene.state().fullScreen)
          void document.exitFullscreen().catch(() => {});
        return;
    }
  }

  play(): void {
    // If `play()` is refused, the element stays paused, which the controls show.
    this.scene.video.play().catch(() => {});
  }

  /** Sets the volume, clamped to 0–1. */
  setVolume(volume: number): void {
    const { video } = this.scene;
    this.scene.notices.expect("volume");
    // Rounded to hundredths: twenty steps lead from silence to full volume.
    video.volume = Math.round(Math.min(1, Math.max(0, volume)) * 100) / 100;
    video.muted = false;
  }

  setRate(rate: number): void {
    const { video } = this.scene;
    this.scene.notices.expect("rate");
    // The next film starts with the default rate.
    video.defaultPlaybackRate = rate;
    video.playbackRate = rate;
  }

  get canPictureInPicture(): boolean {
    const { scene } = this;
    return document.pictureInPictureEnabled && !scene.model().audioOnly && scene.state().hasPicture;
  }

  private toggleMute(): void {
    const { video } = this.scene;
    this.scene.notices.expect("volume");
    if (!video.muted && video.volume > 0) {
      video.muted = true;
      return;
    }
    if (video.volume === 0) video.volume = 0.5;
    video.muted = false;
  }

  private toggleSubtitles(): void {
    const { tracks, selected } = this.scene.model().subtitles;
    if (tracks.length === 0) return this.scene.notices.show(t("playerNoSubtitles"));
    if (selected !== undefined) this.lastSubtitles = selected;
    const again = tracks.find(({ id }) => id === this.lastSubtitles) ?? tracks[0]!;
    this.selectSubtitles(selected === undefined ? again.id : undefined);
  }

  private cycleSubtitles(): void {
    const { tracks, selected } = this.scene.model().subtitles;
    if (tracks.length === 0) return this.scene.notices.show(t("playerNoSubtitles"));
    this.selectSubtitles(tracks[tracks.findIndex(({ id }) => id === selected) + 1]?.id);
  }

  selectSubtitles(id: string | undefined): void {
    this.scene.notices.expect("subtitles");
    this.scene.port.selectSubtitles(id);
  }

  selectAudio(id: string): void {
    this.scene.notices.expect("audio");
    this.scene.port.selectAudio(id);
  }

  setSubtitleDelay(delayS: number): void {
    this.scene.notices.expect("delay");
    this.scene.port.setSubtitleDelay(delayS);
  }

  setSubtitleSize(factor: number): void {
    this.scene.notices.expect("size");
    this.scene.port.setSubtitleSize(factor);
  }

  private cycleAudio(): void {
    const { tracks, selected } = this.scene.model().audio;
    if (tracks.length < 2) return;
    this.selectAudio(
      tracks[(tracks.findIndex(({ id }) => id === selected) + 1) % tracks.length]!.id,
    );
  }

  private delayBy(seconds: number): void {
    const { selected, delayS } = this.scene.model().subtitles;
    if (selected !== undefined) this.setSubtitleDelay(Math.round((delayS + seconds) * 10) / 10);
  }

  private togglePictureInPicture(): void {
    const { video } = this.scene;
    if (this.scene.state().inPictureInPicture) void document.exitPictureInPicture().catch(() => {});
    else if (this.canPictureInPicture) void video.requestPictureInPicture().catch(() => {});
  }
}
