// Maps keys to commands, on the whole page.
//
// The keys are those of YouTube, and of VLC where YouTube has none. Text fields keep all keys,
// focused buttons keep Space and Enter, sliders keep the arrows, and Ctrl, Meta and Alt belong to
// the browser. While an element outside of the player has the focus, scrolling keys scroll the
// page.

/** A command without a number. */
export interface PlainCommand {
  does:
    | "toggle_play"
    | "toggle_mute"
    | "toggle_subtitles"
    | "cycle_subtitles"
    | "cycle_audio"
    | "toggle_full_screen"
    | "toggle_picture_in_picture"
    | "next"
    | "previous"
    | "escape";
}

/** A command of the user. */
export type Command =
  | PlainCommand
  | { does: "seek_by"; seconds: number }
  /** A share of the film, 0–1. */
  | { does: "seek_to_share"; share: number }
  | { does: "step_frame"; direction: -1 | 1 }
  | { does: "volume_by"; by: number }
  | { does: "speed_by"; steps: -1 | 1 }
  | { does: "delay_by"; seconds: number };

/** The part of a keyboard event that is used. */
export type Press = Pick<
  KeyboardEvent,
  "key" | "ctrlKey" | "metaKey" | "altKey" | "repeat" | "isComposing"
>;

/** Which keys the focused element handles itself. */
export type Taker = "nothing" | "press" | "slider" | "text";

/**
 * Which scrolling keys belong to the page. If the page fits the window, the player gets them unless
 * an element outside of it has the focus.
 */
export type Scrolls = "nothing" | "up_and_down" | "everything";

const STEP_S = 5;
const LONG_STEP_S = 10;
const VOLUME_STEP = 0.05;
const DELAY_STEP_S = 0.1;

const TOGGLES: Record<string, Command> = {
  " ": { does: "toggle_play" },
  k: { does: "toggle_play" },
  m: { does: "toggle_mute" },
  c: { does: "toggle_subtitles" },
  v: { does: "cycle_subtitles" },
  b: { does: "cycle_audio" },
  f: { does: "toggle_full_screen" },
  i: { does: "toggle_picture_in_picture" },
  n: { does: "next" },
  p: { does: "previous" },
  escape: { does: "escape" },
};

const REPEATABLE: Record<string, Command> = {
  j: { does: "seek_by", seconds: -LONG_STEP_S },
  l: { does: "seek_by", seconds: LONG_STEP_S },
  arrowleft: { does: "seek_by", seconds: -STEP_S },
  arrowright: { does: "seek_by", seconds: STEP_S },
  arrowup: { does: "volume_by", by: VOLUME_STEP },
  arrowdown: { does: "volume_by", by: -VOLUME_STEP },
  home: { does: "seek_to_share", share: 0 },
  end: { does: "seek_to_share", share: 1 },
  "<": { does: "speed_by", steps: -1 },
  ">": { does: "speed_by", steps: 1 },
  g: { does: "delay_by", seconds: -DELAY_STEP_S },
  h: { does: "delay_by", seconds: DELAY_STEP_S },
};

/** Whether a modifier makes the key the browser's own. */
export function isChord({
  ctrlKey,
  metaKey,
  altKey,
}: Pick<Press, "ctrlKey" | "metaKey" | "altKey">): boolean {
  return ctrlKey || metaKey || altKey;
}

/** The command for a key. "ignored" if the key is the player's but must not act now. */
export function commandOf(
  press: Press,
  paused: boolean,
  taker: Taker,
  scrolls: Scrolls = "nothing",
): Command | "ignored" | undefined {
  if (isChord(press) || press.isComposing || taker === "text") return undefined;
  // Caps Lock and Shift produce capitals.
  const key = press.key.toLowerCase();
  if (taker === "press" && (key === " " || key === "enter")) return undefined;
  if ((taker === "slider" || scrolls === "everything") && /^(arrow|page|home|end)/.test(key))
    return undefined;
  if (scrolls === "up_and_down" && /^(arrowup|arrowdown|home|end)$/.test(key)) return undefined;
  const toggle = TOGGLES[key];
  if (toggle) return press.repeat ? "ignored" : toggle;
  if (/^[0-9]$/.test(key)) return { does: "seek_to_share", share: Number(key) / 10 };
  if ((key === "," || key === ".") && paused)
    return { does: "step_frame", direction: key === "," ? -1 : 1 };
  return REPEATABLE[key];
}

/** Which keys an element handles itself. */
function takerOf(target: EventTarget | null): Taker {
  if (!(target instanceof HTMLElement)) return "nothing";
  if (
    target.isContentEditable ||
    target.closest(
      "textarea, select, input:not([type=range], [type=checkbox], [type=button]), " +
        "dialog, [role=menu]",
    )
  )
    return "text";
  if (target.matches("input[type=range]")) return "slider";
  return target.closest("button, summary, input") ? "press" : "nothing";
}

/** Which keys pressed at `target` scroll the page around `root`, the player. */
function scrollsAt(target: EventTarget | null, root: Element): Scrolls {
  if (!(target instanceof Element) || root.contains(target)) return "nothing";
  if (!target.matches("html, body")) return "everything";
  const page = root.ownerDocument;
  const { scrollHeight, clientHeight } = page.documentElement;
  return page.fullscreenElement === null && scrollHeight > clientHeight ? "up_and_down" : "nothing";
}

/** Performs the commands of keys pressed on the page of `root`, the player. */
export function watchKeys(
  root: Element,
  isPaused: () => boolean,
  perform: (command: Command) => void,
  signal: AbortSignal,
): void {
  const page = root.ownerDocument;
  page.addEventListener(
    "keydown",
    (event) => {
      if (event.defaultPrevented) return;
      const command = commandOf(
        event,
        isPaused(),
        takerOf(event.target),
        scrollsAt(event.target, root),
      );
      if (command === undefined) return;
      // Escape also ends the browser's own full screen.
      if (command === "ignored" || command.does !== "escape") event.preventDefault();
      if (command !== "ignored") perform(command);
    },
    { signal },
  );
}
