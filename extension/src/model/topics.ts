// What a page follows of the engine, and how a change of it becomes the next state.
//
// Pure. Invariant: an object that did not change is the same object in the next state, so what is
// shown can be compared by identity. Whatever a change can't be applied to is a gap, and the page
// asks for the whole.

import type { FileView } from "./generated/FileView";
import type { FilmView } from "./generated/FilmView";
import type { PeerView } from "./generated/PeerView";
import type { TopicUpdate } from "./generated/TopicUpdate";
import type { TorrentView } from "./generated/TorrentView";
import type { TrackerView } from "./generated/TrackerView";
import type { World } from "./generated/World";

/** A torrent in a list: what it consists of is a topic of its own. */
export type TorrentRow = Omit<TorrentView, "files" | "trackers">;

/** The names of topics: the list, what is in a torrent, who is connected to it, what a player shows of a file. */
export type TopicName =
  | "list"
  | `torrent/${string}`
  | `peers/${string}`
  | `film/${string}/${number}`;

/** All torrents, newest first, and what is shown beside them. */
export interface ListState {
  torrents: readonly TorrentRow[];
  world: World;
}

/** What is in a torrent. */
export interface ContentsState {
  files: readonly FileView[];
  trackers: readonly TrackerView[];
}

/** Who is connected to a torrent, the most active first. */
export interface PeersState {
  peers: readonly PeerView[];
}

/** A topic's state, by its name. */
export type TopicState<N extends TopicName> = N extends "list"
  ? ListState
  : N extends `torrent/${string}`
    ? ContentsState
    : N extends `peers/${string}`
      ? PeersState
      : FilmView;

/** A topic as a page has it. */
export interface Known {
  /** `undefined`: something was missed since, and what differs from now on can't be applied to it. */
  revision: number | undefined;
  state: ListState | ContentsState | PeersState | FilmView;
}

/** The next state; `undefined` when the change belongs to another revision than the one that is known. */
export function applied(
  known: Known | undefined,
  { from, revision, change }: TopicUpdate,
): Known | undefined {
  if (from !== null && from !== known?.revision) return undefined;
  const before = known?.state;
  switch (change.kind) {
    case "list": {
      const old = before && "world" in before ? before : undefined;
      const torrents = merged(
        old?.torrents ?? [],
        change.order,
        change.torrents,
        (torrent) => torrent.infoHash,
      );
      const world = change.world ?? old?.world;
      return torrents && world && { revision, state: { torrents, world } };
    }
    case "torrent": {
      const old = before && "trackers" in before ? before : undefined;
      const files = merged(old?.files ?? [], change.order, change.files, (file) => file.index);
      const trackers = change.trackers ?? old?.trackers;
      return files && trackers && { revision, state: { files, trackers } };
    }
    case "peers":
      return { revision, state: { peers: change.peers } };
    case "film":
      return { revision, state: change.film };
  }
}

/** The items in their new order, changed ones in place of the old. `undefined` when one is named that nobody has told. */
function merged<T, K>(
  before: readonly T[],
  order: readonly K[] | null,
  changed: readonly T[],
  key: (item: T) => K,
): readonly T[] | undefined {
  if (order === null && changed.length === 0) return before;
  const news = new Map(changed.map((item) => [key(item), item]));
  if (order === null) return before.map((item) => news.get(key(item)) ?? item);
  const old = new Map(before.map((item) => [key(item), item]));
  const items: T[] = [];
  for (const name of order) {
    const item = news.get(name) ?? old.get(name);
    if (item === undefined) return undefined;
    items.push(item);
  }
  return items;
}
