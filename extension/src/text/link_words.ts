// What a page says of the link: a word for the corner, and plain sentences with a way out where one is needed.

import type { DownReason, PageLink } from "../model/link";
import { type MessageName, t } from "./messages";

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

type Down = PageLink & { kind: "down" };

/** Says how the link stands. */
export function linkWords(link: PageLink): LinkWords {
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
      return { brief: t("linkDown"), tone: "trouble", notice: downNotice(link) };
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
};

/** Why there is no daemon, in a sentence or two. */
export function downWords({ cause, reason, message }: Omit<Down, "kind">): string {
  if (reason !== undefined) return t(REASONS[reason]);
  switch (cause) {
    case "no_host":
      return t("linkNoHostText");
    case "forbidden":
      return t("linkForbiddenText");
    case "version":
      return t("linkVersionText");
    case "host_error":
      return message || t("linkHostUnknown");
    case "unreachable":
      return message ? t("linkLostClosed", message) : t("linkLostSilent");
    case "no_engine":
      return t("linkNoEngineText", message);
  }
}

function downNotice(link: Down): LinkNotice {
  const text = downWords(link);
  const action = { label: t("commonTryAgain"), does: "retry" } as const;
  const install = [
    { label: t("linkInTerminal"), command: "jstorrent-io-daemon install" },
    { label: t("linkFromSource"), command: "cargo xtask run" },
  ];
  switch (link.cause) {
    case "no_host":
      return { title: t("linkNoHostTitle"), text, commands: install, action };
    case "forbidden":
      return { title: t("linkForbiddenTitle"), text, commands: install, action };
    case "version":
      return { title: t("linkVersionTitle"), text, commands: install, action };
    case "host_error":
      return { title: t("linkHostTitle"), text: `${text} ${t("linkHostRetry")}`, commands: install, action };
    case "unreachable":
      return {
        title: t(link.reason === "server" ? "linkServerTitle" : "linkLostTitle"),
        text: `${text} ${t("linkLostRetry")}`,
        commands: [],
        action,
      };
    case "no_engine":
      return { title: t("linkNoEngineTitle"), text, commands: [{ label: t("linkFromSource"), command: "cargo xtask build" }], action };
  }
}
