// What the player says it is doing, and above all why it waits.
//
// Pure: a situation in, words out. One sentence at a time; what a person can do about it comes
// first. What the engine says of the torrent goes before what the `<video>` made of it: a decoder's
// error is told only of a film whose bytes come.

import type { FileView } from "../model/generated/FileView";
import type { StreamView } from "../model/generated/StreamView";
import type { TorrentView } from "../model/generated/TorrentView";
import type { WaitView } from "../model/generated/WaitView";
import type { PageLink } from "../model/link";
import { about } from "../text/format";
import { downWords } from "../text/link_words";
import { t, tn } from "../text/messages";
import { saidWords } from "../text/sentence_words";
import { troubleWords } from "../text/trouble_words";
import type { Trouble } from "./failure";
import type { Supply } from "./source";

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
  /** Why the file can't be played at all, or not here. */
  trouble: Trouble | undefined;
  /** The file is being opened again after an interruption. */
  recovering: boolean;
}

/** A button beside the words. `skip`: past the place that can't be played. */
export interface Action {
  label: string;
  does: "resume" | "retry" | "take_over" | "update" | "reload" | "skip";
}

/** A sentence, how it is meant, and what a button beside it does. */
export interface Status {
  text: string;
  /** The same without what changes by the second: to be said aloud when it changes. */
  said: string;
  tone: "quiet" | "waiting" | "trouble";
  action?: Action;
}

const quiet = (text: string): Status => ({ text, said: text, tone: "quiet" });
const waiting = (text: string, said = text): Status => ({ text, said, tone: "waiting" });
const trouble = (text: string, action?: Action): Status => ({
  text,
  said: text,
  tone: "trouble",
  ...(action && { action }),
});

/** Whether the bytes of a film come. `wait`: what its viewer was last known to wait for. */
export function supplyOf(
  torrent: TorrentView | undefined,
  file: FileView | undefined,
  wait: WaitView | undefined,
): Supply {
  if (!torrent || !file || isWhole(file)) return "flowing";
  if (isStopped(torrent)) return "stopped";
  return wait === undefined || wait.reason === "downloading" ? "flowing" : "scarce";
}

/** Whether a torrent fetches nothing until somebody resumes it, or its trouble is over. */
export function isStopped({ state }: TorrentView): boolean {
  return state === "paused" || state === "error";
}

/** Whether all of a file is there: then it plays whatever its torrent does. */
export function isWhole({ verified, length }: FileView): boolean {
  return verified >= length;
}

/** Says what is going on. */
export function status(situation: Situation): Status {
  const { torrent, file, media } = situation;
  const ofLink = linkStatus(situation.link, situation.wasConnected);
  if (ofLink) return ofLink;
  if (!situation.known) return waiting(t("playerOpening"));
  if (!torrent) return trouble(t("playerNoTorrent"));
  if (!file) return trouble(t("playerNoFile"));
  if (file.length === 0) return trouble(t("playerEmptyFile"));
  if (!isWhole(file)) {
    // Said before what is in memory runs out.
    if (torrent.state === "paused" && !media.ended) return pausedStatus();
    if (torrent.state === "error" && media.starved) return stoppedStatus(torrent);
  }
  if (situation.trouble) return troubleStatus(situation.trouble);
  if (media.ended) return quiet(t("playerEnded"));
  if (media.starved) return starvedStatus(situation, torrent);
  return quiet(media.paused ? t("playerPaused") : t("playerPlaying"));
}

function troubleStatus({ words, isHere }: Trouble): Status {
  return trouble(
    words,
    isHere
      ? { label: t("playerSkip"), does: "skip" }
      : { label: t("commonTryAgain"), does: "reload" },
  );
}

function starvedStatus(situation: Situation, torrent: TorrentView): Status {
  const { wait, media, recovering } = situation;
  if (wait) return waitStatus(wait, torrent);
  if (torrent.state === "checking") return waiting(t("playerChecking"));
  if (recovering) return waiting(t("playerRecovering"));
  if (!media.opened) return waiting(t("playerOpening"));
  return waiting(media.seeking ? t("playerSeeking") : t("playerLoading"));
}

/** Says what a request waits for. */
export function waitStatus(wait: WaitView, torrent: TorrentView): Status {
  switch (wait.reason) {
    case "checking":
      return waiting(t("playerChecking"));
    case "no_peers":
      return waiting(torrent.knownPeers > 0 ? t("playerConnectingPeers") : t("playerNoPeers"));
    case "no_source":
      return torrent.peers === 0
        ? waiting(t("playerNoPeers"))
        : waiting(tn("playerNoSource", torrent.peers), t("playerNoSourceSaid"));
    case "stopped":
      return torrent.state === "paused" ? pausedStatus() : stoppedStatus(torrent);
    case "downloading":
      return waiting(piecesWords(wait), t("playerWaitingSaid"));
  }
}

function pausedStatus(): Status {
  return trouble(t("playerTorrentPaused"), { label: t("playerResume"), does: "resume" });
}

/** The engine's own words say what is wrong and what to do. */
function stoppedStatus(torrent: TorrentView): Status {
  return trouble((troubleWords(torrent) ?? saidWords(torrent)) || t("playerStopped"), {
    label: t("commonTryAgain"),
    does: "resume",
  });
}

function piecesWords(wait: WaitView): string {
  const missing = Math.max(0, wait.needPieces - wait.havePieces);
  const words =
    missing === 0 ? t("playerAlmostThere") : tn("playerWaiting", wait.needPieces, missing);
  return wait.etaMs == null ? words : `${words} · ${about(wait.etaMs / 1000)}`;
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
      return waiting(wasConnected ? t("playerLostDaemon") : t("playerConnectingDaemon"));
    case "outdated":
      return link.part === "page"
        ? trouble(t("playerOldPage"), { label: t("linkReloadPage"), does: "update" })
        : trouble(t("playerOldEngine"), { label: t("linkRestartEngine"), does: "update" });
    case "superseded":
      return trouble(t("playerElsewhere"), { label: t("linkUseHere"), does: "take_over" });
    case "down":
      return trouble(
        downStatus(link, wasConnected),
        link.reason === "server_token"
          ? { label: t("linkEnterToken"), does: "update" }
          : { label: t("commonTryAgain"), does: "retry" },
      );
  }
}

function downStatus(link: PageLink & { kind: "down" }, wasConnected: boolean): string {
  if (link.cause === "no_host") return t("playerNoHost");
  if (link.cause === "unreachable" && link.reason === undefined && wasConnected)
    return t("playerLostDaemon");
  return downWords(link);
}

/** The request of a film that its viewer waits for. With several, the last one: seeks make new ones. */
export function waitOf(streams: readonly StreamView[]): WaitView | undefined {
  return streams.findLast((stream) => stream.waiting != null)?.waiting ?? undefined;
}
