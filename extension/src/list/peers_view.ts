// The peers of an open torrent: client, progress, rates; and a form to add peers.
//
// Pure templates, as in torrent_view.ts. A client's name is foreign text.

import type { TemplateResult } from "lit";
import { html, nothing } from "lit";
import type { PeerView } from "../model/generated/PeerView";
import type { TorrentRow } from "../model/topics";
import { percent, rate } from "../text/format";
import { number, t, tn } from "../text/messages";
import type { DetailsUi } from "./details_ui";
import { submitted, wordsView } from "./forms";
import type { TorrentActions } from "./torrent_actions";

/** Most peers that are listed, the most active first. */
const MOST = 30;

/** The details' part about peers. */
export function peersView(
  { infoHash, peers: connected, knownPeers }: TorrentRow,
  peers: readonly PeerView[],
  ui: DetailsUi,
  actions: TorrentActions,
): TemplateResult {
  const more = peers.length - MOST;
  return html`<section class="details-part">
    <h2>${t("torrentPeers")}</h2>
    <p class="details-words">${t("torrentPeersKnown", number(connected), number(knownPeers))}</p>
    ${
      peers.length > 0
        ? html`<ul class="peers" data-testid="peers">
          ${peers.slice(0, MOST).map(peerView)}
          ${more > 0 ? html`<li class="details-words">${tn("removeMore", more)}</li>` : nothing}
        </ul>`
        : nothing
    }
    <form class="entries" @submit=${submitted((form) => actions.addPeers(infoHash, form))}>
      <label class="entry entry-wide"
        ><span>${t("torrentAddPeer")}</span
        ><span class="entry-line"
          ><input
            name="peers"
            data-testid="peer-input"
            type="text"
            placeholder="192.0.2.7:6881"
            autocomplete="off"
            spellcheck="false"
          /><button class="button" data-testid="peer-add" ?disabled=${!ui.isOnline}>
            ${t("torrentAdd")}
          </button></span
        ></label
      >
      ${wordsView(ui.words.peers)}
    </form>
  </section>`;
}

function peerView(peer: PeerView): TemplateResult {
  const { address, client, progress, downRateBps, upRateBps } = peer;
  return html`<li class="peer" data-testid="peer">
    <span class="peer-address">${address}</span>
    <bdi class="peer-client">${client ?? ""}</bdi>
    <span class="peer-share">${percent(progress, 1)}</span>
    <span class="peer-down">${downRateBps > 0 ? `↓ ${rate(downRateBps)}` : ""}</span>
    <span class="peer-up">${upRateBps > 0 ? `↑ ${rate(upRateBps)}` : ""}</span>
    <span class="peer-how">${howWords(peer)}</span>
  </li>`;
}

/** How the peer is connected, in words. */
function howWords({ transport, encrypted, incoming, snubbing }: PeerView): string {
  const words = [transport === "utp" ? "uTP" : "TCP"];
  if (encrypted) words.push(t("torrentPeerEncrypted"));
  if (incoming) words.push(t("torrentPeerIncoming"));
  if (snubbing) words.push(t("torrentPeerSnubbing"));
  return words.join(", ");
}
