// The keyboard: what each key does to the film, on the whole page.

const STEP_S = 5;
const VOLUME_STEP = 0.1;

/** Makes the page's keys act on a film. */
export function watchKeys(video: HTMLVideoElement, page: { next(step: 1 | -1): void }): void {
  // Captured, so that the video's own controls don't act a second time.
  addEventListener(
    "keydown",
    (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target instanceof HTMLElement && event.target.closest("button, a, input") && isPress(event.key)) return;
      const act = event.key === "n" ? () => page.next(1) : event.key === "N" ? () => page.next(-1) : action(video, event.key);
      if (!act) return;
      event.preventDefault();
      event.stopPropagation();
      act();
    },
    { capture: true },
  );
}

function isPress(key: string): boolean {
  return key === " " || key === "Enter";
}

function action(video: HTMLVideoElement, key: string): (() => void) | undefined {
  switch (key) {
    case " ":
    case "k":
      return () => (video.paused ? void video.play().catch(() => {}) : video.pause());
    case "ArrowLeft":
      return () => seekBy(video, -STEP_S);
    case "ArrowRight":
      return () => seekBy(video, STEP_S);
    case "ArrowUp":
      return () => (video.volume = Math.min(1, video.volume + VOLUME_STEP));
    case "ArrowDown":
      return () => (video.volume = Math.max(0, video.volume - VOLUME_STEP));
    case "m":
      return () => (video.muted = !video.muted);
    case "f":
      return () => void (document.fullscreenElement ? document.exitFullscreen() : video.requestFullscreen()).catch(() => {});
    default:
      return undefined;
  }
}

function seekBy(video: HTMLVideoElement, seconds: number): void {
  if (video.readyState === 0) return;
  video.currentTime = Math.min(video.duration, Math.max(0, video.currentTime + seconds));
}
