// Stores the controls' settings between films: the volume, and which time is shown.

import { recall, remember, type Store } from "../../ui/stores";

/** The stored settings. */
export interface Memory {
  /** 0–1. */
  volume: number;
  muted: boolean;
  /** Show the remaining time instead of the total. */
  remaining: boolean;
}

const KEY = "controls";
const FRESH: Memory = { volume: 1, muted: false, remaining: false };

/** Reads the stored settings. Missing or broken ones get defaults. */
export function recallControls(store: Store): Memory {
  const stored = recall(store, KEY);
  if (typeof stored !== "object" || stored === null) return FRESH;
  const { volume, muted, remaining } = stored as Record<string, unknown>;
  return {
    volume: typeof volume === "number" && volume >= 0 && volume <= 1 ? volume : FRESH.volume,
    muted: muted === true,
    remaining: remaining === true,
  };
}

/** Stores the settings. */
export function rememberControls(store: Store, memory: Memory): void {
  remember(store, KEY, memory);
}
