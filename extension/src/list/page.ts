// The app page: the list of torrents, and everything a person does with them.
//
// What it shows is what it follows of the engine plus a little state of its own (what is open, what was just copied);
// losing the page loses nothing.

import { html, nothing, render } from "lit";
import { repeat } from "lit/directives/repeat.js";
import type { FileView } from "../model/generated/FileView";
import type { World } from "../model/generated/World";
import type { TorrentRow } from "../model/topics";
import type { Host } from "../host/host";
import type { Intent } from "../model/generated/Intent";
import { parsePeers } from "../text/address";
import { count } from "../text/format";
import { linkWords } from "../text/link_words";
import { t } from "../text/messages";
import { streamUrl } from "../model/locations";
import { closeByPressBeside } from "../ui/dialogs";
import { soon } from "../ui/soon";
import { isMagnet, parseLink } from "../text/torrent_link";
import { Adder } from "./add";
import { filesOf, linksIn, watchDrops, watchPastes } from "./drop";
import { linkFieldView } from "./link_field";
import { Bell } from "./bell";
import { broughtLink, offerToOpenMagnets } from "./magnet_handler";
import { Newcomers } from "./newcomers";
import type { Outside } from "./outside";
import type { PageActions } from "./page_view";
import {
  broughtView,
  dropView,
  emptyView,
  engineNoticesView,
  headerView,
  loadingView,
  noticeView,
  notesView,
  removeDialogView,
} from "./page_view";
import { SettingsDialog } from "./settings_dialog";
import type { TorrentActions } from "./torrent_view";
import { updateView } from "./update_view";
import { FILES_AT_FIRST, FILES_MORE, torrentView } from "./torrent_view";

const COPIED_MS = 1_500;

/** Shows the list in this document. */
export function startList(host: Host, outside: Outside): void {
  const root = document.querySelector<HTMLElement>("#app")!;
  const picker = document.querySelector<HTMLInputElement>("#picker")!;
  const dialog = document.querySelector<HTMLDialogElement>("#dialog")!;
  const settingsDialog = document.querySelector<HTMLDialogElement>("#settings")!;

  const open = new Set<string>();
  const newcomers = new Newcomers();
  const filesShown = new Map<string, number>();
  const peersWords = new Map<string, string>();
  const moveWords = new Map<string, string>();
  let copied: string | undefined;
  let dragging = false;
  let linkField = false;
  let linkWrong = "";
  const brought = broughtLink(new URL(location.href));
  if (brought) history.replaceState(null, "", brought.rest);
  /** A link with which the browser opened this page: it waits for a person's word. */
  let offered = brought?.link ?? "";
  const update = soon(show);

  const settings = new SettingsDialog(settingsDialog, world, (intent) => host.intent(intent));
  const adder = new Adder((intent) => host.intent(intent), update, showAdded);

  const bell = new Bell(outside.notifications, update, () => adder.say(t("notifyDeniedName"), t("notifyDenied")));
  /** A torrent that is to be shown as soon as it is in the list. */
  let toShow = "";

  const pageActions: PageActions = {
    bell: () => bell.view(),
    pick: () => picker.click(),
    link: () => showLinkField(!linkField),
    settings: () => settings.open(),
    noticeAction: (does) => {
      if (does === "retry") host.retry();
      else if (does === "take_over") host.takeOver();
      else host.update();
    },
    copyCommand: (command) => void copyText(command, command),
    dismiss: (id) => adder.dismiss(id),
    dismissAll: () => {
      for (const note of adder.notes.filter(({ kind }) => kind === "failed")) adder.dismiss(note.id);
    },
  };

  const torrentActions: TorrentActions = {
    toggle: (infoHash) => {
      newcomers.forget(infoHash);
      if (!open.delete(infoHash)) open.add(infoHash);
      follow();
      update();
    },
    pause: (infoHash) => void act({ kind: "pause", infoHash }),
    resume: (infoHash) => void act({ kind: "resume", infoHash }),
    remove: (infoHash) => askToRemove(infoHash),
    moreFiles: (infoHash) => {
      filesShown.set(infoHash, (filesShown.get(infoHash) ?? FILES_AT_FIRST) + FILES_MORE);
      update();
    },
    copy: (file, key) => void copyAddress(file, key),
    addPeers: (infoHash, form) => void addPeers(infoHash, form),
    want: (infoHash, files) => void act({ kind: "set_priorities", infoHash, files }),
    prepare: (infoHash, index) => prepare(infoHash, index),
    watched: (infoHash, index, watched) => void act({ kind: "set_watched", infoHash, files: [index], watched }),
    move: (infoHash, form) => void move(infoHash, form),
    adopt: (infoHash) => void act({ kind: "adopt", infoHash }),
    recheck: (infoHash, begin) => void act({ kind: begin ? "recheck" : "cancel_recheck", infoHash }),
  };

  picker.addEventListener("change", () => {
    adder.give([...(picker.files ?? [])]);
    // The same file can be chosen again.
    picker.value = "";
  });
  watchDrops({
    dragging: (over) => {
      dragging = over;
      update();
    },
    dropped: (data) => {
      const files = filesOf(data);
      const links = files.length > 0 ? [] : linksIn(data);
      if (files.length > 0) adder.give(files);
      else if (links.length > 0) adder.giveLinks(links);
      else adder.say("That can’t be added", "Drop .torrent files, magnet links, or addresses of .torrent files.");
    },
  });
  watchPastes((links) => giveByHand(links));
  outside.onAddLink((link) => adder.giveLinks([link]));
  outside.onShowTorrent((infoHash) => {
    toShow = infoHash;
    showTorrent();
  });
  closeByPressBeside(dialog);

  function torrentsNow(): readonly TorrentRow[] {
    return host.topic("list")?.torrents ?? [];
  }

  function world(): World | undefined {
    return host.topic("list")?.world;
  }

  /** Of a torrent that is open its contents are followed as well. */
  function follow(): void {
    host.follow(["list", ...[...open].map((infoHash) => `torrent/${infoHash}` as const)]);
  }

  function handleNews(): void {
    adder.setReady(host.link.kind === "connected");
    openArrived();
    settings.update();
    update();
    showTorrent();
  }

  /** Opens the torrent that a person wants to see, and brings it into view. */
  function showTorrent(): void {
    if (!torrentsNow().some(({ infoHash }) => infoHash === toShow)) return;
    open.add(toShow);
    follow();
    show();
    document.querySelector(`[data-info-hash="${toShow}"]`)?.scrollIntoView({ block: "nearest" });
    toShow = "";
  }

  function openArrived(): void {
    for (const infoHash of newcomers.arrived(torrentsNow())) open.add(infoHash);
    follow();
  }

  function show(): void {
    const { link } = host;
    const words = linkWords(link);
    const torrents = torrentsNow();
    const here = world();
    const online = link.kind === "connected";
    const settled = online || words.notice !== undefined;
    document.title = torrents.length > 0 ? `JSTorrent – ${count(torrents.length, "torrent")}` : "JSTorrent";
    render(
      html`${headerView(words, link.kind, linkField, online && here?.settings != null, pageActions)}
        <main>
          ${linkField ? linkFieldView(linkWrong, { submit: submitLink, close: () => showLinkField(false) }) : nothing}
          ${offered ? broughtView(offered, decideOffered) : nothing}
          ${host.updateReady ? updateView(() => host.restart()) : nothing}
          ${words.notice ? noticeView(words.notice, copied, pageActions) : nothing} ${engineNoticesView(here?.notices ?? [])} ${notesView(adder.notes, online, pageActions)}
          ${
            torrents.length > 0
              ? html`<ul class="torrents" aria-label="Torrents">
                ${repeat(
                  torrents,
                  (torrent) => torrent.infoHash,
                  (torrent) =>
                    torrentView(
                      torrent,
                      host.topic(`torrent/${torrent.infoHash}`),
                      {
                        open: open.has(torrent.infoHash),
                        filesShown: filesShown.get(torrent.infoHash) ?? FILES_AT_FIRST,
                        online,
                        copied,
                        peersWords: peersWords.get(torrent.infoHash),
                        roots: here?.roots ?? [],
                        moveWords: moveWords.get(torrent.infoHash),
                      },
                      torrentActions,
                    ),
                )}
              </ul>`
              : settled
                ? emptyView(pageActions)
                : loadingView()
          }
        </main>
        ${dragging ? dropView() : nothing}`,
      root,
    );
  }

  /** A torrent that was just added shows its files once it has them; of many at a time that would be a heap. */
  function showAdded(infoHash: string, alone: boolean): void {
    if (alone) newcomers.expect(infoHash);
    openArrived();
    update();
  }

  function showLinkField(shown: boolean): void {
    linkField = shown;
    linkWrong = "";
    show();
    const next = shown ? "[data-testid=link-input]" : "[data-testid=add-link]";
    document.querySelector<HTMLElement>(next)?.focus();
  }

  function submitLink(typed: string): void {
    const parsed = parseLink(typed);
    if ("words" in parsed) {
      linkWrong = parsed.words;
      update();
      return;
    }
    showLinkField(false);
    giveByHand([typed]);
  }

  /** Who adds links by hand may want the browser to open them here. */
  function giveByHand(links: string[]): void {
    adder.giveLinks(links);
    if (links.some((link) => isMagnet(link.trim()))) offerToOpenMagnets(navigator, localStorage, new URL(location.href));
  }

  function decideOffered(add: boolean): void {
    if (add) adder.giveLinks([offered]);
    offered = "";
    update();
  }

  /** Does something to a torrent; what the engine has to say about it is shown like words about files. */
  async function act(intent: Intent & { infoHash: string }): Promise<void> {
    const name = torrentsNow().find((torrent) => torrent.infoHash === intent.infoHash)?.name;
    const reply = await host.intent(intent);
    if ("message" in reply && reply.message !== null) adder.say(name ?? "The torrent", reply.message);
  }

  function askToRemove(infoHash: string): void {
    const torrent = torrentsNow().find((candidate) => candidate.infoHash === infoHash);
    if (!torrent) return;
    const remove = (deleteData: boolean) => {
      dialog.close();
      open.delete(infoHash);
      follow();
      newcomers.forget(infoHash);
      filesShown.delete(infoHash);
      peersWords.delete(infoHash);
      moveWords.delete(infoHash);
      void act({ kind: "remove", infoHash, deleteData });
    };
    render(
      removeDialogView(torrent, remove, () => dialog.close()),
      dialog,
    );
    dialog.showModal();
  }

  /** Has the beginning of a film fetched, and where it was left. */
  function prepare(infoHash: string, index: number): void {
    const file = host.topic(`torrent/${infoHash}`)?.files.find((candidate) => candidate.index === index);
    const position = file?.durationS && file.positionS > 0 ? { seconds: file.positionS, durationS: file.durationS } : null;
    void host.intent({ kind: "prepare", infoHash, file: index, position });
  }

  async function addPeers(infoHash: string, form: HTMLFormElement): Promise<void> {
    const input = form.elements.namedItem("peers") as HTMLInputElement;
    const parsed = parsePeers(input.value);
    if ("words" in parsed) {
      peersWords.set(infoHash, parsed.words);
    } else {
      const reply = await host.intent({ kind: "add_peers", infoHash, peers: parsed.peers });
      peersWords.set(infoHash, reply.kind === "failed" ? reply.message : `${count(parsed.peers.length, "peer")} added.`);
      if (reply.kind !== "failed") input.value = "";
    }
    update();
  }

  async function move(infoHash: string, form: HTMLFormElement): Promise<void> {
    const field = (name: string) => (form.elements.namedItem(name) as HTMLInputElement | HTMLSelectElement | null)?.value ?? null;
    const reply = await host.intent({ kind: "move", infoHash, root: field("root"), folder: field("folder"), name: field("name") });
    moveWords.set(infoHash, reply.kind === "failed" ? reply.message : "");
    update();
  }

  async function copyAddress(file: FileView, key: string): Promise<void> {
    const url = streamUrl(host.link, file);
    if (url) await copyText(url, key);
  }

  async function copyText(text: string, key: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // The page is not in front, or a person forbade it.
      adder.say(text, t("listCopyFailed"));
      return;
    }
    copied = key;
    update();
    setTimeout(() => {
      if (copied === key) copied = undefined;
      update();
    }, COPIED_MS);
  }

  follow();
  host.listen(handleNews, new AbortController().signal);
  handleNews();
}
