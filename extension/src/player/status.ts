// What the player says it is doing, and above all why it waits.
//
// Pure: a situation in, words out. One sentence at a time; what a person can do about it comes first.

import type { FileView } from "../model/generated/FileView";
import type { StreamView } from "../model/generated/StreamView";
import type { TorrentView } from "../model/generated/TorrentView";
import type { WaitView } from "../model/generated/WaitView";
import type { PageLink } from "../model/link";
import { about, count } from "../text/format";
import { downWords } from "../text/link_words";

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
  if (!situation.known) return waiting("Opening…");
  if (!torrent) return { text: "This torrent is not in the list. Perhaps it was removed.", tone: "trouble" };
  if (!file) return { text: "This torrent has no such file.", tone: "trouble" };
  if (trouble) return { text: trouble, tone: "trouble", action: { label: "Try again", does: "reload" } };
  if (torrent.state === "error" && media.starved) {
    return { text: torrent.message ?? "The torrent has stopped.", tone: "trouble", action: { label: "Try again", does: "resume" } };
  }
  if (media.ended) return quiet("The end");
  if (media.starved) return starvedStatus(situation, torrent);
  return quiet(media.paused ? "Paused" : "Playing");
}

function starvedStatus(situation: Situation, torrent: TorrentView): Status {
  const { wait, media, recovering } = situation;
  if (wait) return waitStatus(wait, torrent);
  if (torrent.state === "checking") return waiting("Checking what is on disk…");
  if (torrent.state === "paused") return pausedStatus();
  if (recovering) return waiting("Going on after an interruption…");
  if (!media.opened) return waiting("Opening…");
  return waiting(media.seeking ? "Jumping…" : "Loading…");
}

/** Says what a request waits for. */
export function waitStatus(wait: WaitView, torrent: TorrentView): Status {
  switch (wait.reason) {
    case "checking":
      return waiting("Checking what is on disk…");
    case "no_peers":
      return waiting(torrent.knownPeers > 0 ? "No peers yet: connecting to some…" : "No peers yet");
    case "no_source":
      return waiting(noSourceWords(torrent.peers));
    case "stopped":
      return torrent.state === "paused" ? pausedStatus() : { text: torrent.message ?? "The torrent has stopped.", tone: "trouble" };
    case "downloading":
      return waiting(piecesWords(wait));
  }
}

function pausedStatus(): Status {
  const text = "The torrent is paused, so what is missing does not come";
  return { text, tone: "trouble", action: { label: "Resume", does: "resume" } };
}

function noSourceWords(peers: number): string {
  if (peers === 0) return "No peers yet";
  return peers === 1 ? "The one peer connected does not have this part yet" : `None of ${peers} peers has this part yet`;
}

function piecesWords(wait: WaitView): string {
  const missing = Math.max(0, wait.needPieces - wait.havePieces);
  const eta = wait.etaMs == null ? "" : `, ${about(wait.etaMs / 1000)}`;
  if (missing === 0) return `Almost there${eta}`;
  if (wait.needPieces === 1) return `Waiting for a piece${eta}`;
  return `Waiting for ${missing.toLocaleString("en")} of ${count(wait.needPieces, "piece")}${eta}`;
}

function linkStatus(link: PageLink, wasConnected: boolean): Status | undefined {
  switch (link.kind) {
    case "connected":
      return undefined;
    case "starting":
      return waiting("Starting the engine…");
    case "reconnecting":
      return waiting("The engine is gone: restarting it…");
    case "connecting":
      return waiting(wasConnected ? "The daemon is gone: restarting it…" : "Connecting to the daemon…");
    case "outdated":
      return {
        text: `JSTorrent was updated, and this ${link.part === "page" ? "page" : "engine"} is the older one`,
        tone: "trouble",
        action: { label: link.part === "page" ? "Reload the page" : "Restart the engine", does: "update" },
      };
    case "superseded":
      return {
        text: "JSTorrent is in use in another browser or profile",
        tone: "trouble",
        action: { label: "Use it here", does: "take_over" },
      };
    case "down":
      return { text: downStatus(link, wasConnected), tone: "trouble", action: { label: "Try again", does: "retry" } };
  }
}

function downStatus(link: PageLink & { kind: "down" }, wasConnected: boolean): string {
  if (link.cause === "no_host") return "The daemon is not installed: the list of torrents says how";
  if (link.cause === "unreachable" && wasConnected) return "The daemon is gone: restarting it…";
  return downWords(link);
}

/** The request of a film that its viewer waits for. With several, the last one: seeks make new ones. */
export function waitOf(streams: readonly StreamView[]): WaitView | undefined {
  return streams.findLast((stream) => stream.waiting != null)?.waiting ?? undefined;
}
