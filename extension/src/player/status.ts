// What the player says it is doing, and above all why it waits.
//
// Pure: a situation in, words out. One sentence at a time; what a person can do about it comes first.

import type { FileView } from "../model/generated/FileView";
import type { StreamView } from "../model/generated/StreamView";
import type { TorrentView } from "../model/generated/TorrentView";
import type { WaitView } from "../model/generated/WaitView";
import type { PageLink } from "../model/link";
import { about } from "../text/format";
import { downWords } from "../text/link_words";
import { t, tn } from "../text/messages";

/** What the `<video>` is at. */
export interface MediaSituation {
  /** It needs bytes before it can go on. */
  starved: boolean;
  paused: boolean;
  seeking: boolean;
  ended: boolean;
  /** It knows its duration. */
  opened: boolean;
}

/** Everything that decides the words. */
export interface Situation {
  link: PageLink;
  /** Whether the daemon was there before: then it is gone, not yet to come. */
  wasConnected: boolean;
  /** Whether the engine has said anything of the film yet. */
  known: boolean;
  torrent: TorrentView | undefined;
  file: FileView | undefined;
  wait: WaitView | undefined;
  media: MediaSituation;
  /** Why the file can't be played at all. */
  trouble: string | undefined;
  /** The file is being opened again after an interruption. */
  recovering: boolean;
}

/** A sentence, how it is meant, and what a button beside it does. */
export interface Status {
  text: string;
  tone: "quiet" | "waiting" | "trouble";
  action?: { label: string; does: "resume" | "retry" | "take_over" | "update" | "reload" };
}

const quiet = (text: string): Status => ({ text, tone: "quiet" });
const waiting = (text: string): Status => ({ text, tone: "waiting" });

/** Says what is going on. */
export function status(situation: Situation): Status {
  const { torrent, file, media, trouble } = situation;
  const ofLink = linkStatus(situation.link, situation.wasConnected);
  if (ofLink) return ofLink;
  if (!situation.known) return waiting(t("playerOpening"));
  if (!torrent) return { text: t("playerNoTorrent"), tone: "trouble" };
  if (!file) return { text: t("playerNoFile"), tone: "trouble" };
  if (trouble) return { text: trouble, tone: "trouble", action: { label: t("commonTryAgain"), does: "reload" } };
  if (torrent.state === "error" && media.starved) {
    return { text: torrent.message ?? t("playerStopped"), tone: "trouble", action: { label: t("commonTryAgain"), does: "resume" } };
  }
  if (media.ended) return quiet(t("playerEnded"));
  if (media.starved) return starvedStatus(situation, torrent);
  return quiet(t(media.paused ? "playerPaused" : "playerPlaying"));
}

function starvedStatus(situation: Situation, torrent: TorrentView): Status {
  const { wait, media, recovering } = situation;
  if (wait) return waitStatus(wait, torrent);
  if (torrent.state === "checking") return waiting(t("playerChecking"));
  if (torrent.state === "paused") return pausedStatus();
  if (recovering) return waiting(t("playerRecovering"));
  if (!media.opened) return waiting(t("playerOpening"));
  return waiting(t(media.seeking ? "playerSeeking" : "playerLoading"));
}

/** Says what a request waits for. */
export function waitStatus(wait: WaitView, torrent: TorrentView): Status {
  switch (wait.reason) {
    case "checking":
      return waiting(t("playerChecking"));
    case "no_peers":
      return waiting(t(torrent.knownPeers > 0 ? "playerConnectingPeers" : "playerNoPeers"));
    case "no_source":
      return waiting(noSourceWords(torrent.peers));
    case "stopped":
      return torrent.state === "paused" ? pausedStatus() : { text: torrent.message ?? t("playerStopped"), tone: "trouble" };
    case "downloading":
      return waiting(piecesWords(wait));
  }
}

function pausedStatus(): Status {
  return { text: t("playerTorrentPaused"), tone: "trouble", action: { label: t("playerResume"), does: "resume" } };
}

function noSourceWords(peers: number): string {
  return peers === 0 ? t("playerNoPeers") : tn("playerNoSource", peers);
}

function piecesWords(wait: WaitView): string {
  const missing = Math.max(0, wait.needPieces - wait.havePieces);
  const eta = wait.etaMs == null ? "" : ` · ${about(wait.etaMs / 1000)}`;
  return (missing === 0 ? t("playerAlmostThere") : tn("playerWaiting", wait.needPieces, missing)) + eta;
}

function linkStatus(link: PageLink, wasConnected: boolean): Status | undefined {
  switch (link.kind) {
    case "connected":
      return undefined;
    case "starting":
      return waiting(t("playerStartingEngine"));
    case "reconnecting":
      return waiting(t("playerLostEngine"));
    case "connecting":
      return waiting(t(wasConnected ? "playerLostDaemon" : "playerConnectingDaemon"));
    case "outdated":
      return {
        text: t(link.part === "page" ? "playerOldPage" : "playerOldEngine"),
        tone: "trouble",
        action: { label: t(link.part === "page" ? "linkReloadPage" : "linkRestartEngine"), does: "update" },
      };
    case "superseded":
      return {
        text: t("playerElsewhere"),
        tone: "trouble",
        action: { label: t("linkUseHere"), does: "take_over" },
      };
    case "down":
      return { text: downStatus(link, wasConnected), tone: "trouble", action: { label: t("commonTryAgain"), does: "retry" } };
  }
}

function downStatus(link: PageLink & { kind: "down" }, wasConnected: boolean): string {
  if (link.cause === "no_host") return t("playerNoHost");
  if (link.cause === "unreachable" && wasConnected) return t("playerLostDaemon");
  return downWords(link);
}

/** The request of a film that its viewer waits for. With several, the last one: seeks make new ones. */
export function waitOf(streams: readonly StreamView[]): WaitView | undefined {
  return streams.findLast((stream) => stream.waiting != null)?.waiting ?? undefined;
}
