// Whether other peers can reach this computer, in one line.

import type { MappedBy } from "../model/generated/MappedBy";
import type { World } from "../model/generated/World";
import { t } from "../text/messages";
import { whyWords } from "../text/sentence_words";

const PROTOCOLS: { readonly [K in MappedBy]: string } = {
  pcp: "PCP",
  nat_pmp: "NAT-PMP",
  upnp: "UPnP",
};

/** Whether the line is good news. */
export type ReachTone = "good" | "neutral";

/** Whether peers can reach this computer, and what the router does about it. */
export function reachWords({
  listenPort,
  portMapping,
}: Pick<World, "listenPort" | "portMapping">): { words: string; tone: ReachTone } {
  const neutral = (words: string) => ({ words, tone: "neutral" }) as const;
  if (listenPort === null) return neutral(t("settingsReachNone"));
  const here = String(listenPort);
  if (portMapping === null) return neutral(t("settingsReachPort", here));
  const { state, address, by, message } = portMapping;
  const why = portMapping.why === undefined ? message : whyWords(portMapping.why);
  if (state === "asking") return neutral(t("settingsReachAsking", here));
  if (state === "failed")
    return neutral(why ? t("settingsReachFailedWhy", here, why) : t("settingsReachFailed", here));
  const port = String(portMapping.port ?? listenPort);
  const there = address
    ? `${address.includes(":") ? `[${address}]` : address}:${port}`
    : t("settingsReachRouterPort", port);
  return {
    words: by ? t("settingsReachMappedBy", there, PROTOCOLS[by]) : t("settingsReachMapped", there),
    tone: "good",
  };
}
