// What each command of the controls does to the film.

import { expect, test, vi } from "vitest";
import type { CommandScene } from "../../src/player/controls/commands";
import { Commands } from "../../src/player/controls/commands";
import type { ControlsModel } from "../../src/player/controls/model";
import { NO_FILM } from "../../src/player/controls/model";

function scene(part: Partial<ControlsModel> = {}, durationS = 100) {
  const video = {
    paused: true,
    volume: 0.5,
    muted: false,
    playbackRate: 1,
    defaultPlaybackRate: 1,
    play: vi.fn(async () => {}),
    pause: vi.fn(),
  };
  const port = {
    selectSubtitles: vi.fn(),
    selectAudio: vi.fn(),
    setSubtitleDelay: vi.fn(),
    next: vi.fn(),
    previous: vi.fn(),
  };
  const seeker = { to: vi.fn(), by: vi.fn() };
  const flash = vi.fn();
  let model: ControlsModel = { ...NO_FILM, ...part };
  const commands = new Commands({
    video,
    port,
    seeker,
    notices: { show: flash, showSkip: () => {}, expect: () => {} },
    frameLength: { seconds: 0.05 },
    model: () => model,
    durationS: () => durationS,
  } as unknown as CommandScene);
  return {
    video,
    port,
    seeker,
    flash,
    commands,
    change: (more: Partial<ControlsModel>) => (model = { ...model, ...more }),
  };
}

const tracks = ["a", "b"].map((id) => ({ id, label: id, language: "" }));
const subtitles = (selected: string | undefined, delayS = 0) => ({
  subtitles: { tracks, selected, delayS, size: 1 },
});

test("a refused play() is ignored", async () => {
  const { video, commands } = scene();
  video.play.mockRejectedValue(new DOMException("no", "NotAllowedError"));
  commands.perform({ does: "toggle_play" });
  expect(video.play).toHaveBeenCalledOnce();
});

test("the volume is rounded to hundredths, stays within its bounds, and ends a mute", () => {
  const { video, commands } = scene();
  for (let step = 0; step < 7; step++) commands.perform({ does: "volume_by", by: 0.05 });
  expect(video.volume).toBe(0.85);
  for (let step = 0; step < 9; step++) commands.perform({ does: "volume_by", by: 0.05 });
  expect(video.volume).toBe(1);
  video.muted = true;
  commands.perform({ does: "volume_by", by: 0.05 });
  expect([video.volume, video.muted]).toEqual([0.05, false]);
});

test("unmuting restores the volume, or an audible one", () => {
  const { video, commands } = scene();
  commands.perform({ does: "toggle_mute" });
  expect([video.volume, video.muted]).toEqual([0.5, true]);
  commands.perform({ does: "toggle_mute" });
  expect([video.volume, video.muted]).toEqual([0.5, false]);
  video.volume = 0;
  commands.perform({ does: "toggle_mute" });
  expect([video.volume, video.muted]).toEqual([0.5, false]);
});

test("the speed also applies to the next film", () => {
  const { video, commands } = scene();
  commands.perform({ does: "speed_by", steps: 1 });
  expect([video.playbackRate, video.defaultPlaybackRate]).toEqual([1.25, 1.25]);
});

test("turning subtitles on again selects the same track", () => {
  const { port, commands, change } = scene(subtitles("b"));
  commands.perform({ does: "toggle_subtitles" });
  expect(port.selectSubtitles).toHaveBeenLastCalledWith(undefined);
  change(subtitles(undefined));
  commands.perform({ does: "toggle_subtitles" });
  expect(port.selectSubtitles).toHaveBeenLastCalledWith("b");
});

test("turning subtitles on selects the first track if none was selected before", () => {
  const { port, commands } = scene(subtitles(undefined));
  commands.perform({ does: "toggle_subtitles" });
  expect(port.selectSubtitles).toHaveBeenLastCalledWith("a");
});

test("a film without subtitles says so", () => {
  const { port, flash, commands } = scene();
  commands.perform({ does: "toggle_subtitles" });
  expect(port.selectSubtitles).not.toHaveBeenCalled();
  expect(flash).toHaveBeenCalledOnce();
});

test("cycling through subtitles includes off, cycling through sound tracks does not", () => {
  const { port, commands, change } = scene({ ...subtitles("b"), audio: { tracks, selected: "b" } });
  commands.perform({ does: "cycle_subtitles" });
  expect(port.selectSubtitles).toHaveBeenLastCalledWith(undefined);
  change(subtitles(undefined));
  commands.perform({ does: "cycle_subtitles" });
  expect(port.selectSubtitles).toHaveBeenLastCalledWith("a");
  commands.perform({ does: "cycle_audio" });
  expect(port.selectAudio).toHaveBeenLastCalledWith("a");
});

test("missing episodes are not requested", () => {
  const { port, commands } = scene({ hasNext: true });
  commands.perform({ does: "next" });
  commands.perform({ does: "previous" });
  expect([port.next.mock.calls.length, port.previous.mock.calls.length]).toEqual([1, 0]);
});

test("in a film of unknown length, only the beginning can be sought by share", () => {
  const { seeker, commands } = scene({}, NaN);
  commands.perform({ does: "seek_to_share", share: 0.5 });
  commands.perform({ does: "seek_to_share", share: 0 });
  expect(seeker.to.mock.calls).toEqual([[0]]);
});

test("a frame step has the measured length of a frame", () => {
  const { seeker, commands } = scene();
  commands.perform({ does: "step_frame", direction: -1 });
  expect(seeker.by).toHaveBeenCalledWith(-0.05);
});

test("the delay changes in tenths of a second, and only while subtitles are on", () => {
  const { port, commands, change } = scene(subtitles("a", 0.2));
  commands.perform({ does: "delay_by", seconds: 0.1 });
  expect(port.setSubtitleDelay).toHaveBeenLastCalledWith(0.3);
  change(subtitles(undefined));
  commands.perform({ does: "delay_by", seconds: 0.1 });
  expect(port.setSubtitleDelay).toHaveBeenCalledTimes(1);
});
