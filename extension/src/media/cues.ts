// Blocks of subtitles on their way to the player: of the tracks that are wanted, each block once.

import type { Packet } from "./film";
import type { Cue } from "./protocol";

export class Cues {
  private selected: ReadonlySet<number> = new Set();
  /** What was sent, by track: the blocks' order. */
  private readonly sent = new Map<number, Set<number>>();

  constructor(private readonly send: (cues: Cue[]) => void) {}

  get tracks(): ReadonlySet<number> {
    return this.selected;
  }

  /** Wants these tracks from now on; whether there are new ones among them. */
  select(tracks: ReadonlySet<number>): boolean {
    const fresh = [...tracks].some((track) => !this.selected.has(track));
    for (const track of this.sent.keys()) if (!tracks.has(track)) this.sent.delete(track);
    this.selected = new Set(tracks);
    return fresh;
  }

  /** Sends a packet, if it is a block of a wanted track that was not sent yet. */
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
