// Describes the connection to the daemon in words: a short status, and a notice if needed.

import type { DownReason, LinkDown, PageLink, Versions } from "../model/link";
import { type MessageName, t } from "./messages";

/** The connection in words. */
export interface LinkWords {
  /** One or two words for the header. */
  brief: string;
  tone: "good" | "waiting" | "trouble";
  /** Set when the user has to know or do something. */
  notice?: LinkNotice;
}

/** A problem, and what to do about it. */
export interface LinkNotice {
  title: string;
  text: string;
  /** Commands to run, each with a label that says when. */
  commands: { label: string; command: string }[];
  action: { label: string; does: "retry" | "take_over" | "update" };
}

/** The operating system, as far as the commands depend on it. */
export type System = "windows" | "other";

/** The operating system of this browser. */
function systemHere(): System {
  return /Windows/.test(globalThis.navigator?.userAgent ?? "") ? "windows" : "other";
}

/** Describes the connection. */
export function linkWords(link: PageLink, system = systemHere()): LinkWords {
  switch (link.kind) {
    case "connected":
      return { brief: t("linkConnected"), tone: "good" };
    case "starting":
      return { brief: t("linkStarting"), tone: "waiting" };
    case "connecting":
      return { brief: t("linkConnecting"), tone: "waiting" };
    case "reconnecting":
      return { brief: t("linkReconnecting"), tone: "waiting" };
    case "outdated": {
      const isPage = link.part === "page";
      return {
        brief: t("linkUpdated"),
        tone: "trouble",
        notice: {
          title: t("linkUpdatedTitle"),
          text: t(isPage ? "linkUpdatedPage" : "linkUpdatedEngine"),
          commands: [],
          action: { label: t(isPage ? "linkReloadPage" : "linkRestartEngine"), does: "update" },
        },
      };
    }
    case "superseded":
      return {
        brief: t("linkElsewhere"),
        tone: "trouble",
        notice: {
          title: t("linkElsewhereTitle"),
          text: t("linkElsewhereText"),
          commands: [],
          action: { label: t("linkUseHere"), does: "take_over" },
        },
      };
    case "down":
      return { brief: t(briefOf(link)), tone: "trouble", notice: downNotice(link, system) };
  }
}

const REASONS: Record<DownReason, MessageName> = {
  not_started: "linkHostNotStarted",
  ended: "linkHostEnded",
  silent: "linkHostSilent",
  not_understood: "linkHostNotUnderstood",
  background: "linkHostBackground",
  token: "linkLostToken",
  server: "linkServerText",
  server_token: "linkTokenText",
};

/** Why the daemon is not connected, in one or two sentences. */
export function downWords({ cause, reason, versions, message }: Omit<LinkDown, "kind">): string {
  if (reason !== undefined) return t(REASONS[reason]);
  switch (cause) {
    case "no_host":
      return t("linkNoHostText");
    case "forbidden":
      return t("linkForbiddenText");
    case "version":
      return versions ? versionWords(versions) : "";
    case "host_error":
      return message || t("linkHostUnknown");
    case "unreachable":
      return message ? t("linkLostClosed", message) : t("linkLostSilent");
    case "no_engine":
      return t("linkNoEngineText", message);
    case "not_started":
      return t("linkNotStartedText", message);
  }
}

function briefOf({ cause, reason }: LinkDown): MessageName {
  if (reason === "server") return "linkServerBrief";
  if (reason === "server_token") return "linkTokenBrief";
  return cause === "no_engine" || cause === "not_started" ? "linkEngineBrief" : "linkDown";
}

function downNotice(link: LinkDown, system: System): LinkNotice {
  const text = downWords(link);
  const action = { label: t("commonTryAgain"), does: "retry" } as const;
  const commands = installCommands(system);
  switch (link.cause) {
    case "no_host":
      return {
        title: t("linkNoHostTitle"),
        text: system === "windows" ? t("linkNoWindows") : text,
        commands,
        action,
      };
    case "forbidden":
      return { title: t("linkForbiddenTitle"), text, commands, action };
    case "version":
      return { title: t("linkVersionTitle"), text, commands: commands.slice(0, 1), action };
    case "host_error":
      return { title: t("linkHostTitle"), text: `${text} ${t("linkHostRetry")}`, commands, action };
    case "unreachable":
      return lostNotice(link, text, action);
    case "no_engine":
      return {
        title: t("linkNoEngineTitle"),
        text,
        commands: [{ label: t("linkFromSource"), command: "cargo xtask build" }],
        action,
      };
    case "not_started":
      return { title: t("linkNotStartedTitle"), text, commands: [], action };
  }
}

function lostNotice({ reason }: LinkDown, text: string, action: LinkNotice["action"]): LinkNotice {
  if (reason === "server_token")
    return {
      title: t("linkTokenTitle"),
      text,
      commands: [],
      action: { label: t("linkEnterToken"), does: "update" },
    };
  if (reason === "server") return { title: t("linkServerTitle"), text, commands: [], action };
  return { title: t("linkLostTitle"), text: `${text} ${t("linkLostRetry")}`, commands: [], action };
}

/**
 * Commands that install the daemon for all browsers of the user. The first one also builds the
 * extension.
 */
function installCommands(system: System): LinkNotice["commands"] {
  if (system === "windows") return [];
  return [
    {
      label: t("linkFromSource"),
      command: "cargo xtask build && target/release/jstorrent-io-daemon install",
    },
    { label: t("linkFromFolder"), command: "./jstorrent-io-daemon install" },
  ];
}

function versionWords({ extension, daemon }: Versions): string {
  const order = compareVersions(extension, daemon);
  if (order > 0) return t("linkVersionDaemonOlder", extension, daemon);
  if (order < 0) return t("linkVersionExtensionOlder", extension, daemon);
  return t("linkVersionSame", extension);
}

/** Negative if `first` is older. Parts that are not numbers count as 0. */
function compareVersions(first: string, second: string): number {
  const parts = (version: string) =>
    version.split(/[.+-]/).map((part) => Number.parseInt(part, 10) || 0);
  const [one, two] = [parts(first), parts(second)];
  for (let at = 0; at < Math.max(one.length, two.length); at++) {
    const difference = (one[at] ?? 0) - (two[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
