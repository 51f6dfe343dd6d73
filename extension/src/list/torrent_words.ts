// What a row says of its torrent.

import { about, percent, rate, size } from "../text/format";
import { number, t } from "../text/messages";
import type { TorrentRow } from "../model/topics";
import type { Pace } from "./pace";

/** What the engine says of states that have words of their own here: to show both would be to say it twice. */
const SAID_ANYWAY = new Set([
  "Looking for peers",
  "Connecting to peers",
  "Asking peers for the description",
  "Waiting for its turn",
  "Waiting for its turn to give",
]);
const NO_PEERS = "No peers: ";
const PARTS = /^Getting the description: (\d+) of (\d+) parts$/;

/** How far it is, in words. */
export function progressWords(torrent: TorrentRow): string {
  const { wanted, wantedVerified, length, state } = torrent;
  if (length === 0 || wanted === 0) return "";
  const isWhole = wanted >= length;
  if (state === "complete") return isWhole ? size(wanted) : t("torrentSizeChosen", size(wanted));
  return isWhole
    ? t("torrentProgress", size(wantedVerified), size(wanted))
    : t("torrentProgressChosen", size(wantedVerified), size(wanted));
}

/** What it is doing, in words. */
export function stateWords(torrent: TorrentRow, pace: Pace): string {
  if (hasNothingChosen(torrent) && (torrent.state === "complete" || torrent.state === "downloading")) return t("torrentNothingChosen");
  switch (torrent.state) {
    case "metadata":
      return metadataWords(torrent);
    case "checking":
      return torrent.checkProgress === null ? t("torrentChecking") : t("torrentCheckingShare", percent(torrent.checkProgress, 1));
    case "queued":
      return t("torrentQueued");
    case "complete":
      if (torrent.giving === "queued") return t("torrentCompleteQueued");
      return torrent.giving === "open" ? t("torrentSeeding") : t("torrentComplete");
    case "paused":
      return t("torrentPaused");
    case "error":
      return t("torrentStopped");
    case "downloading":
      return downloadingWords(torrent, pace);
  }
}

function metadataWords({ message, peers, knownPeers }: TorrentRow): string {
  const [, have, all] = PARTS.exec(message ?? "") ?? [];
  if (have !== undefined && all !== undefined) return t("torrentGettingParts", have, all);
  if (peers > 0) return t("torrentGettingDescription");
  if (message?.startsWith(NO_PEERS)) return t("torrentNoPeers");
  return knownPeers > 0 ? t("torrentConnecting") : t("torrentLooking");
}

function downloadingWords({ wanted, wantedVerified, message, peers, knownPeers }: TorrentRow, pace: Pace): string {
  if (pace.isStalled) return t("torrentStalled");
  if (pace.rateBps >= 1) return t("torrentLeft", about((wanted - wantedVerified) / pace.rateBps));
  if (peers > 0) return t("torrentWaitingForPeers");
  if (message?.startsWith(NO_PEERS)) return t("torrentNoPeers");
  return knownPeers > 0 ? t("torrentConnecting") : t("torrentLooking");
}

/** What the engine has to say beyond its state; empty when that is nothing. */
export function messageWords({ message }: TorrentRow, pace: Pace): string {
  if (message?.startsWith(NO_PEERS)) {
    const why = message.slice(NO_PEERS.length);
    return why.charAt(0).toUpperCase() + why.slice(1);
  }
  if (message !== null && !SAID_ANYWAY.has(message) && !PARTS.test(message)) return message;
  return pace.isLonely ? t("torrentLonely") : "";
}

/** How fast bytes come and go, in words; nothing while none do. What is stopped or complete has a rate of the moment before. */
export function rateWords({ state, downRateBps, upRateBps }: TorrentRow): string {
  const isRunning = state === "downloading" || state === "metadata";
  const down = isRunning && downRateBps > 0 ? `↓ ${rate(downRateBps)}` : "";
  const up = (isRunning || state === "complete") && upRateBps > 0 ? `↑ ${rate(upRateBps)}` : "";
  return [down, up].filter(Boolean).join(" ");
}

/** How much of it was uploaded, in words; nothing before the first byte. */
export function uploadedWords({ uploaded, verified }: TorrentRow): string {
  if (uploaded === 0) return "";
  return verified > 0 ? t("torrentUploadedRatio", size(uploaded), number(uploaded / verified, 2)) : t("torrentUploaded", size(uploaded));
}

/** Whether it is known what is in it; of a magnet link that is not, until its description comes. */
export function isDescribed(torrent: TorrentRow): boolean {
  return torrent.pieceCount > 0 || torrent.fileCount > 0;
}

/** Whether none of its files is to be downloaded. */
function hasNothingChosen(torrent: TorrentRow): boolean {
  return torrent.wanted === 0 && torrent.length > 0;
}

/** How full its bar is, from 0 to 1. One of empty files is all there; of one without a description, or of which nothing is chosen, nothing is. */
export function share(torrent: TorrentRow): number {
  if (torrent.wanted > 0) return torrent.wantedVerified / torrent.wanted;
  return isDescribed(torrent) && !hasNothingChosen(torrent) ? 1 : 0;
}

/** The share in percent, or nothing where it says nothing. */
export function shareWords(torrent: TorrentRow): string {
  return torrent.state === "complete" || torrent.wanted === 0 ? "" : percent(torrent.wantedVerified, torrent.wanted);
}

/** Whether it stands still until somebody resumes it. */
export function isStopped({ state }: Pick<TorrentRow, "state">): boolean {
  return state === "paused" || state === "error";
}
