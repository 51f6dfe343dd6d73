// What a row says of its torrent.

import type { Sentence } from "../model/generated/Sentence";
import { about, percent, rate, size } from "../text/format";
import { number, t } from "../text/messages";
import { saidWords } from "../text/sentence_words";
import { troubleWords } from "../text/trouble_words";
import type { TorrentRow } from "../model/topics";

/** Codes of the engine that say what the state says already. */
const IN_STATE: ReadonlySet<Sentence["code"]> = new Set([
  "looking_for_peers",
  "connecting_to_peers",
  "asking_for_description",
  "getting_description",
  "queued",
  "queued_for_seeding",
]);
/** Codes that say why there are no peers. */
const NO_PEERS: ReadonlySet<Sentence["code"]> = new Set([
  "no_peers",
  "no_peers_no_tracker",
  "no_peers_by_host",
  "no_peers_in_link",
]);

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

/** What the engine has to say beyond its state; empty when that is nothing. */
export function messageWords(torrent: TorrentRow, isLonely: boolean): string {
  const trouble = troubleWords(torrent);
  if (trouble !== undefined) return trouble;
  const words = torrent.says && IN_STATE.has(torrent.says.code) ? "" : saidWords(torrent);
  return words === "" && isLonely ? t("torrentLonely") : words;
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
  return verified > 0
    ? t("torrentUploadedRatio", size(uploaded), number(uploaded / verified, 2))
    : t("torrentUploaded", size(uploaded));
}

/** The same beside a label that says what it is about. */
export function sentWords({ uploaded, verified }: TorrentRow): string {
  if (uploaded === 0) return "";
  return verified > 0
    ? t("torrentSentRatio", size(uploaded), number(uploaded / verified, 2))
    : size(uploaded);
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
  return torrent.state === "complete" || torrent.wanted === 0
    ? ""
    : percent(torrent.wantedVerified, torrent.wanted);
}

/** Whether it stands still until somebody resumes it. */
export function isStopped({ state }: Pick<TorrentRow, "state">): boolean {
  return state === "paused" || state === "error";
}
