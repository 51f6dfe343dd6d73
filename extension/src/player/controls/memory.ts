// What the controls remember from film to film: volume, and which time is shown. In local storage, which may be missing.

/** The part of `localStorage` that is used. */
export type MemoryStore = Pick<Storage, "getItem" | "setItem">;

export interface Memory {
  /** 0–1. */
  volume: number;
  muted: boolean;
  /** Show the remaining time in place of the total. */
  remaining: boolean;
}

const KEY = "controls";
const FRESH: Memory = { volume: 1, muted: false, remaining: false };

/** What was remembered; defaults for all that is missing or broken. */
export function recallControls(store: () => MemoryStore): Memory {
  try {
    const told: unknown = JSON.parse(store().getItem(KEY) ?? "{}");
    if (typeof told !== "object" || told === null) return FRESH;
    const { volume, muted, remaining } = told as Record<string, unknown>;
    return {
      volume: typeof volume === "number" && volume >= 0 && volume <= 1 ? volume : FRESH.volume,
      muted: muted === true,
      remaining: remaining === true,
    };
  } catch {
    return FRESH;
  }
}

export function rememberControls(store: () => MemoryStore, memory: Memory): void {
  try {
    store().setItem(KEY, JSON.stringify(memory));
  } catch {
    // Storage can be full or forbidden; the next film then begins at full volume.
  }
}
