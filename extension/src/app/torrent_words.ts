// What a row says of its torrent.

import type { TorrentView } from "../generated/TorrentView";
import { about, percent, size } from "../page/format";

/** How far it is, in words. */
export function progressWords(torrent: TorrentView): string {
  const { verified, length } = torrent;
  if (length === 0) return "";
  if (torrent.state === "complete") return size(length);
  return `${size(verified)} of ${size(length)}`;
}

/** What it is doing, in words. */
export function stateWords(torrent: TorrentView): string {
  switch (torrent.state) {
    case "metadata":
      return "Getting its description";
    case "checking":
      return "Checking files";
    case "complete":
      return "Complete";
    case "paused":
      return "Paused";
    case "error":
      return "Stopped";
    case "downloading":
      return downloadingWords(torrent);
  }
}

function downloadingWords(torrent: TorrentView): string {
  const { verified, length, downRateBps, peers, knownPeers } = torrent;
  if (downRateBps > 0) return `${about((length - verified) / downRateBps)} left`;
  if (peers > 0) return "Waiting for peers to send";
  return knownPeers > 0 ? "Connecting to peers" : "Looking for peers";
}

/** The share in percent, or nothing where it says nothing. */
export function shareWords(torrent: TorrentView): string {
  return torrent.state === "complete" || torrent.length === 0 ? "" : percent(torrent.verified, torrent.length);
}
