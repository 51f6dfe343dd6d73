// What a row says of its torrent.

import type { TorrentRow } from "../model/topics";
import { about, percent, rate, size } from "../text/format";

/** How far it is, in words. */
export function progressWords(torrent: TorrentRow): string {
  const { wanted, wantedVerified, length } = torrent;
  if (length === 0) return "";
  const chosen = wanted < length ? ` chosen of ${size(length)}` : "";
  if (torrent.state === "complete") return `${size(wanted)}${chosen}`;
  return `${size(wantedVerified)} of ${size(wanted)}${chosen}`;
}

/** What it is doing, in words. */
export function stateWords(torrent: TorrentRow): string {
  switch (torrent.state) {
    case "metadata":
      return "Getting the torrent’s description";
    case "checking":
      return torrent.checkProgress === null ? "Checking files" : `Checking files, ${Math.floor(torrent.checkProgress * 100)}%`;
    case "queued":
      return "Waiting for its turn";
    case "complete":
      return torrent.giving === "open" && torrent.upRateBps > 0 ? "Complete, giving" : "Complete";
    case "paused":
      return "Paused";
    case "error":
      return "Stopped";
    case "downloading":
      return downloadingWords(torrent);
  }
}

function downloadingWords(torrent: TorrentRow): string {
  const { wanted, wantedVerified, downRateBps, peers, knownPeers } = torrent;
  if (downRateBps > 0) return `${about((wanted - wantedVerified) / downRateBps)} left`;
  if (peers > 0) return "Waiting for peers to send";
  return knownPeers > 0 ? "Connecting to peers" : "Looking for peers";
}

/** How fast bytes come and go, in words; nothing while none do. */
export function rateWords(torrent: TorrentRow): string {
  const { downRateBps, upRateBps } = torrent;
  return [downRateBps > 0 ? `↓ ${rate(downRateBps)}` : "", upRateBps > 0 ? `↑ ${rate(upRateBps)}` : ""].filter(Boolean).join(" ");
}

/** How much of it was given to others, in words; nothing before the first byte. */
export function givenWords(torrent: TorrentRow): string {
  const { uploaded, verified } = torrent;
  if (uploaded === 0) return "";
  const ratio = verified > 0 ? `, ratio ${(uploaded / verified).toFixed(2)}` : "";
  return `${size(uploaded)} given${ratio}`;
}

/** Whether it is known what is in it; of a magnet link that is not, until its description comes. */
export function isDescribed(torrent: TorrentRow): boolean {
  return torrent.pieceCount > 0 || torrent.fileCount > 0;
}

/** How full its bar is, from 0 to 1. One of which nothing is wanted is all there; of one without a description nothing is. */
export function share(torrent: TorrentRow): number {
  if (torrent.wanted > 0) return torrent.wantedVerified / torrent.wanted;
  return isDescribed(torrent) ? 1 : 0;
}

/** The share in percent, or nothing where it says nothing. */
export function shareWords(torrent: TorrentRow): string {
  return torrent.state === "complete" || torrent.wanted === 0 ? "" : percent(torrent.wantedVerified, torrent.wanted);
}
