// What the controls remember from film to film: volume, and which time is shown.

import { recall, remember, type Store } from "../../ui/stores";

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
export function recallControls(store: Store): Memory {
  const told = recall(store, KEY);
  if (typeof told !== "object" || told === null) return FRESH;
  const { volume, muted, remaining } = told as Record<string, unknown>;
  return {
    volume: typeof volume === "number" && volume >= 0 && volume <= 1 ? volume : FRESH.volume,
    muted: muted === true,
    remaining: remaining === true,
  };
}

export function rememberControls(store: Store, memory: Memory): void {
  remember(store, KEY, memory);
}
