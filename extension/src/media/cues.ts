// Sends subtitle blocks of the selected tracks to the player, each block once.

import type { Packet } from "./film";
import type { Cue } from "./protocol";

/** The selected subtitle tracks, and the blocks that were sent. */
export class Cues {
  private selected: ReadonlySet<number> = new Set();
  /** The order numbers of sent blocks, by track. */
  private readonly sent = new Map<number, Set<number>>();

  constructor(private readonly send: (cues: Cue[]) => void) {}

  get tracks(): ReadonlySet<number> {
    return this.selected;
  }

  /** Selects tracks. Returns whether there are new ones. */
  select(tracks: ReadonlySet<number>): boolean {
    const fresh = [...tracks].some((track) => !this.selected.has(track));
    for (const track of this.sent.keys()) if (!tracks.has(track)) this.sent.delete(track);
    this.selected = new Set(tracks);
    return fresh;
  }

  /** Sends a packet if it is an unsent block of a selected track. */
  take({ track, order, pts, duration, data }: Packet): void {
    if (!this.selected.has(track)) return;
    let sent = this.sent.get(track);
    if (!sent) this.sent.set(track, (sent = new Set()));
    if (sent.has(order)) return;
    sent.add(order);
    const end = duration === undefined ? undefined : (pts + duration) / 1e6;
    this.send([{ track, start: pts / 1e6, end, data: data.slice() }]);
  }
}
