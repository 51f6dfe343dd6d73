// What a page says of the link: a word for the corner, and plain sentences with a way out where one is needed.

import type { PageLink } from "../model/link";

/** A link's state in words. */
export interface LinkWords {
  /** One or two words for the corner of a page. */
  brief: string;
  tone: "good" | "waiting" | "trouble";
  /** Set when a person has to know or do something. */
  notice?: LinkNotice;
}

/** Something to know, and a way on. */
export interface LinkNotice {
  title: string;
  text: string;
  /** Commands to run, each with the case that it is for. */
  commands: { label: string; command: string }[];
  action: { label: string; does: "retry" | "take_over" | "update" };
}

const RETRY = { label: "Try again", does: "retry" } as const;
const INSTALL = [
  { label: "In a terminal", command: "jstorrent-io-daemon install" },
  { label: "From the source code", command: "cargo xtask run" },
];

/** Says how the link stands. */
export function linkWords(link: PageLink): LinkWords {
  switch (link.kind) {
    case "connected":
      return { brief: "Connected", tone: "good" };
    case "starting":
      return { brief: "Starting…", tone: "waiting" };
    case "connecting":
      return { brief: "Connecting…", tone: "waiting" };
    case "reconnecting":
      return { brief: "Reconnecting…", tone: "waiting" };
    case "outdated":
      return {
        brief: "Updated",
        tone: "trouble",
        notice: {
          title: "JSTorrent was updated",
          text:
            link.part === "page"
              ? "This page is older than the engine beside it."
              : "The engine is older than this page. What plays goes on after a moment.",
          commands: [],
          action: { label: link.part === "page" ? "Reload the page" : "Restart the engine", does: "update" },
        },
      };
    case "superseded":
      return {
        brief: "In use elsewhere",
        tone: "trouble",
        notice: {
          title: "Another window has taken over",
          text: "JSTorrent runs in another browser or profile on this computer, and one at a time can be in charge.",
          commands: [],
          action: { label: "Use it here", does: "take_over" },
        },
      };
    case "down":
      return { brief: "No daemon", tone: "trouble", notice: downNotice(link.cause, link.message) };
  }
}

function downNotice(cause: (PageLink & { kind: "down" })["cause"], message: string): LinkNotice {
  switch (cause) {
    case "no_host":
      return {
        title: "One more step: the daemon",
        text:
          "Chrome can’t open files and sockets by itself, so a small program does that for JSTorrent. It is not " +
          "installed yet. Run this once; it starts by itself from then on.",
        commands: INSTALL,
        action: RETRY,
      };
    case "forbidden":
      return {
        title: "The daemon doesn’t know this extension",
        text: "It was installed for another extension. Install it again, and it will know this one.",
        commands: INSTALL,
        action: RETRY,
      };
    case "version":
      return { title: "Versions differ", text: message, commands: INSTALL, action: RETRY };
    case "host_error":
      return {
        title: "The daemon could not be started",
        text: `${message} It is tried again by itself, at first soon and then every five minutes.`,
        commands: INSTALL,
        action: RETRY,
      };
    case "unreachable":
      return {
        title: "The daemon is gone",
        text: `${message} It is tried again every few seconds; downloads go on where they stopped.`,
        commands: [],
        action: RETRY,
      };
    case "no_engine":
      return {
        title: "The engine could not be loaded",
        text: `The extension is incomplete: its WebAssembly is missing or broken (${message}).`,
        commands: [{ label: "From the source code", command: "cargo xtask build" }],
        action: RETRY,
      };
  }
}
