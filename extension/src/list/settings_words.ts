// Where others reach this computer, in a line.

import type { MappedBy } from "../model/generated/MappedBy";
import type { World } from "../model/generated/World";

const PROTOCOLS: { readonly [K in MappedBy]: string } = { pcp: "PCP", nat_pmp: "NAT-PMP", upnp: "UPnP" };

/** Whether the words are good news, or not yet. */
export type ReachTone = "good" | "neutral";

/** Where others reach this computer, and what the router has to do with it. */
export function reachWords({ listenPort, portMapping }: Pick<World, "listenPort" | "portMapping">): { words: string; tone: ReachTone } {
  if (listenPort === null) return { words: "Others can’t connect to this computer.", tone: "neutral" };
  const here = `Others connect to this computer at port ${listenPort}`;
  if (portMapping === null) return { words: `${here}.`, tone: "neutral" };
  const { state, port, address, by, message } = portMapping;
  if (state === "asking") return { words: `${here}. The router is being asked to let them in.`, tone: "neutral" };
  if (state === "failed") return { words: `${here}, without a router’s help${message ? ` (${message})` : ""}.`, tone: "neutral" };
  const there = address
    ? `${address.includes(":") ? `[${address}]` : address}:${port ?? listenPort}`
    : `port ${port ?? listenPort} of the router`;
  return { words: `Others reach this computer at ${there}: let in by the router${by ? ` (${PROTOCOLS[by]})` : ""}.`, tone: "good" };
}
