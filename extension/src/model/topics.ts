// The topics of engine state that a page follows, and how changes are applied.
//
// Pure functions. Invariant: an object that did not change stays the same object, so views compare
// by identity. If a change can't be applied, the page asks for the whole topic.

import type { FileView } from "./generated/FileView";
import type { FilmView } from "./generated/FilmView";
import type { PeerView } from "./generated/PeerView";
import type { TopicUpdate } from "./generated/TopicUpdate";
import type { TorrentView } from "./generated/TorrentView";
import type { TrackerView } from "./generated/TrackerView";
import type { World } from "./generated/World";

/** A torrent in the list. Its files and trackers are in a topic of their own. */
export type TorrentRow = Omit<TorrentView, "files" | "trackers">;

/** The names of topics: the list, a torrent's contents, its peers, a file in the player. */
export type TopicName =
  | "list"
  | `torrent/${string}`
  | `peers/${string}`
  | `film/${string}/${number}`;

/** All torrents, newest first, and the state beside them. */
export interface ListState {
  torrents: readonly TorrentRow[];
  world: World;
}

/** The files and trackers of a torrent. */
export interface ContentsState {
  files: readonly FileView[];
  trackers: readonly TrackerView[];
}

/** The peers of a torrent, the most active first. */
export interface PeersState {
  peers: readonly PeerView[];
}

/** The state of a topic, by the topic's name. */
export type TopicState<N extends TopicName> = N extends "list"
  ? ListState
  : N extends `torrent/${string}`
    ? ContentsState
    : N extends `peers/${string}`
      ? PeersState
      : FilmView;

/** A topic as a page knows it. */
export interface Known {
  /** `undefined` after a missed change: only a whole topic can be applied then. */
  revision: number | undefined;
  state: ListState | ContentsState | PeersState | FilmView;
}

/** Applies an update. `undefined` if it is based on a revision that the page does not have. */
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

/**
 * Merges changed items into the known ones, in the new order. `undefined` if an item is unknown.
 */
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
