// What the player is doing, and why it waits, in one sentence.
//
// Pure: a situation in, words out. What the user can do comes first. The torrent's state goes
// before the `<video>`'s errors: a decoder's error is shown only when the bytes arrive.

import type { FileView } from "../model/generated/FileView";
import type { StreamView } from "../model/generated/StreamView";
import type { TorrentView } from "../model/generated/TorrentView";
import type { WaitView } from "../model/generated/WaitView";
import type { PageLink } from "../model/link";
import { about } from "../text/format";
import { downWords } from "../text/link_words";
import { t, tn } from "../text/messages";
import { engineWords } from "../text/sentence_words";
import { troubleWords } from "../text/trouble_words";
import type { Trouble } from "./failure";
import type { Supply } from "./source";

/** The state of the `<video>`. */
export interface MediaSituation {
  /** Whether it needs bytes before it can continue. */
  starved: boolean;
  paused: boolean;
  seeking: boolean;
  ended: boolean;
  /** Whether it knows its duration. */
  opened: boolean;
}

/** Everything that decides the words. */
export interface Situation {
  link: PageLink;
  /** Whether the daemon was connected before: then it is lost, not starting. */
  wasConnected: boolean;
  /** Whether the engine has sent the film's state. */
  known: boolean;
  torrent: TorrentView | undefined;
  file: FileView | undefined;
  wait: WaitView | undefined;
  media: MediaSituation;
  /** Why the file, or this place of it, can't be played. */
  trouble: Trouble | undefined;
  /** Whether the file is being opened again after an interruption. */
  recovering: boolean;
}

/** A button beside the words. `skip`: seek past the place that can't be played. */
export interface Action {
  label: string;
  does: "resume" | "retry" | "take_over" | "update" | "reload" | "skip";
}

/** A sentence, its tone, and the button beside it. */
export interface Status {
  text: string;
  /** The sentence without numbers that change every second, for screen readers. */
  spoken: string;
  tone: "quiet" | "waiting" | "trouble";
  action?: Action;
}

const quiet = (text: string): Status => ({ text, spoken: text, tone: "quiet" });
const waiting = (text: string, spoken = text): Status => ({ text, spoken, tone: "waiting" });
const trouble = (text: string, action?: Action): Status => ({
  text,
  spoken: text,
  tone: "trouble",
  ...(action && { action }),
});

/** Whether the film's bytes arrive. `wait` is what its viewer last waited for. */
export function supplyOf(
  torrent: TorrentView | undefined,
  file: FileView | undefined,
  wait: WaitView | undefined,
): Supply {
  if (!torrent || !file || isWhole(file)) return "flowing";
  if (isStopped(torrent)) return "stopped";
  return wait === undefined || wait.reason === "downloading" ? "flowing" : "scarce";
}

/** Whether a torrent downloads nothing until it is resumed or its trouble ends. */
export function isStopped({ state }: TorrentView): boolean {
  return state === "paused" || state === "error";
}

/** Whether the whole file is on disk: then it plays whatever its torrent does. */
export function isWhole({ verified, length }: FileView): boolean {
  return verified >= length;
}

/** Describes a situation. */
export function status(situation: Situation): Status {
  const { torrent, file, media } = situation;
  const ofLink = linkStatus(situation.link, situation.wasConnected);
  if (ofLink) return ofLink;
  if (!situation.known) return waiting(t("playerOpening"));
  if (!torrent) return trouble(t("playerNoTorrent"));
  if (!file) return trouble(t("playerNoFile"));
  if (file.length === 0) return trouble(t("playerEmptyFile"));
  if (!isWhole(file)) {
    // Shown before the buffered part runs out.
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

/** Describes what a request waits for. */
function waitStatus(wait: WaitView, torrent: TorrentView): Status {
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

/** The engine's own sentence says what is wrong and what to do. */
function stoppedStatus(torrent: TorrentView): Status {
  return trouble((troubleWords(torrent) ?? engineWords(torrent)) || t("playerStopped"), {
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

/**
 * The request that the film's viewer waits for. With several, the last one: a seek starts a new
 * one.
 */
export function waitOf(streams: readonly StreamView[]): WaitView | undefined {
  return streams.findLast((stream) => stream.waiting != null)?.waiting ?? undefined;
}
