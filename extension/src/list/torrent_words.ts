// The texts of a torrent's row.

import type { Sentence } from "../model/generated/Sentence";
import { about, percent, rate, size } from "../text/format";
import { number, t } from "../text/messages";
import { engineWords } from "../text/sentence_words";
import { troubleWords } from "../text/trouble_words";
import type { TorrentRow } from "../model/topics";

/** Codes of the engine that only repeat the torrent's state. */
const IN_STATE: ReadonlySet<Sentence["code"]> = new Set([
  "looking_for_peers",
  "connecting_to_peers",
  "asking_for_description",
  "getting_description",
  "queued",
  "queued_for_seeding",
]);
/** Codes of the engine that say why there are no peers. */
const NO_PEERS: ReadonlySet<Sentence["code"]> = new Set([
  "no_peers",
  "no_peers_no_tracker",
  "no_peers_by_host",
  "no_peers_in_link",
]);

/** How much is downloaded, in words. */
export function progressWords(torrent: TorrentRow): string {
  const { wanted, wantedVerified, length, state } = torrent;
  if (length === 0 || wanted === 0) return "";
  const isWhole = wanted >= length;
  if (state === "complete") return isWhole ? size(wanted) : t("torrentSizeChosen", size(wanted));
  return isWhole
    ? t("torrentProgress", size(wantedVerified), size(wanted))
    : t("torrentProgressChosen", size(wantedVerified), size(wanted));
}

/** What the torrent is doing, in words. */
export function stateWords(torrent: TorrentRow): string {
  if (
    hasNothingChosen(torrent) &&
    (torrent.state === "complete" || torrent.state === "downloading")
  )
    return t("torrentNothingChosen");
  if (torrent.undecided && torrent.state === "downloading") return t("torrentUndecided");
  switch (torrent.state) {
    case "metadata":
      return metadataWords(torrent);
    case "checking":
      return torrent.checkProgress === null
        ? t("torrentChecking")
        : t("torrentCheckingShare", percent(torrent.checkProgress, 1));
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
      return downloadingWords(torrent);
  }
}

function metadataWords(torrent: TorrentRow): string {
  const { says, peers } = torrent;
  if (says?.code === "getting_description") return t("torrentGettingParts", says.have, says.all);
  if (peers > 0) return t("torrentGettingDescription");
  return peerlessWords(torrent);
}

function downloadingWords(torrent: TorrentRow): string {
  const { stalled, etaS, peers } = torrent;
  if (stalled) return t("torrentStalled");
  if (etaS !== null) return t("torrentLeft", about(etaS));
  if (peers > 0) return t("torrentWaitingForPeers");
  return peerlessWords(torrent);
}

function peerlessWords({ says, knownPeers }: TorrentRow): string {
  if (says && NO_PEERS.has(says.code)) return t("torrentNoPeers");
  return knownPeers > 0 ? t("torrentConnecting") : t("torrentLooking");
}

/** The engine's message. Empty if it only repeats the state. */
export function messageWords(torrent: TorrentRow, isLonely: boolean): string {
  const trouble = troubleWords(torrent);
  if (trouble !== undefined) return trouble;
  const words = torrent.says && IN_STATE.has(torrent.says.code) ? "" : engineWords(torrent);
  return words === "" && isLonely ? t("torrentLonely") : words;
}

/**
 * Transfer rates in words; empty while nothing moves. Stopped and complete torrents still carry the
 * rate of the last second, which is hidden.
 */
export function rateWords({ state, downRateBps, upRateBps }: TorrentRow): string {
  const isRunning = state === "downloading" || state === "metadata";
  const down = isRunning && downRateBps > 0 ? `↓ ${rate(downRateBps)}` : "";
  const up = (isRunning || state === "complete") && upRateBps > 0 ? `↑ ${rate(upRateBps)}` : "";
  return [down, up].filter(Boolean).join(" ");
}

/** How much was uploaded, in words. Empty before the first byte. */
export function uploadedWords({ uploaded, verified }: TorrentRow): string {
  if (uploaded === 0) return "";
  return verified > 0
    ? t("torrentUploadedRatio", size(uploaded), number(uploaded / verified, 2))
    : t("torrentUploaded", size(uploaded));
}

/** How much was uploaded, without the word "uploaded", for use beside a label. */
export function sentWords({ uploaded, verified }: TorrentRow): string {
  if (uploaded === 0) return "";
  return verified > 0
    ? t("torrentSentRatio", size(uploaded), number(uploaded / verified, 2))
    : size(uploaded);
}

/** Whether the torrent's files are known. A magnet link's are not until its metadata arrives. */
export function isDescribed(torrent: TorrentRow): boolean {
  return torrent.pieceCount > 0 || torrent.fileCount > 0;
}

/** Whether no file is selected. */
function hasNothingChosen(torrent: TorrentRow): boolean {
  return torrent.wanted === 0 && torrent.length > 0;
}

/**
 * The filled share of the progress bar, from 0 to 1. It is 1 for a torrent of empty files, and 0
 * without metadata or selected files.
 */
export function share(torrent: TorrentRow): number {
  if (torrent.wanted > 0) return torrent.wantedVerified / torrent.wanted;
  return isDescribed(torrent) && !hasNothingChosen(torrent) ? 1 : 0;
}

/** The progress in percent. Empty where it means nothing. */
export function shareWords(torrent: TorrentRow): string {
  return torrent.state === "complete" || torrent.wanted === 0
    ? ""
    : percent(torrent.wantedVerified, torrent.wanted);
}

/** Whether the torrent is stopped until a user resumes it. */
export function isStopped({ state }: Pick<TorrentRow, "state">): boolean {
  return state === "paused" || state === "error";
}
