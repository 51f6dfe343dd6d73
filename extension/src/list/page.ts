// The app page: joins the list's parts and shows the engine's state.
//
// The page holds only a little state of its own, so closing it loses nothing.

import { html, nothing, render } from "lit";
import type { PeerView } from "../model/generated/PeerView";
import type { Settings } from "../model/generated/Settings";
import type { World } from "../model/generated/World";
import type { ContentsState, TorrentRow } from "../model/topics";
import type { Host } from "../host/host";
import type { Intent } from "../model/generated/Intent";
import type { IntentReply } from "../model/generated/IntentReply";
import { linkWords } from "../text/link_words";
import { t, tn } from "../text/messages";
import { saveFile } from "../ui/save_file";
import { localStore, tabStore } from "../ui/stores";
import { soon } from "../ui/soon";
import { VirtualLines } from "../ui/virtual_lines";
import { isMagnet, parseLink } from "../text/torrent_link";
import { Adder } from "./add";
import { AddingSheet } from "./adding_sheet";
import { Announcer } from "./announcer";
import { arranged } from "./arrange";
import { Attention } from "./attention";
import { Dialogs } from "./dialogs";
import { Bell } from "./bell";
import { firstUseView } from "./first_use";
import { filesOf, linksIn, watchDrops, watchPastes } from "./drop";
import { focusOf, focusOn, watchFind, watchLines } from "./line_keys";
import type { Line } from "./lines";
import { Lines } from "./lines";
import { linkFieldView } from "./link_field";
import { ListActions } from "./list_actions";
import { ListState } from "./list_state";
import { listView } from "./list_view";
import { broughtLink, offerToOpenMagnets } from "./magnet_handler";
import type { Outside } from "./outside";
import { Lonely } from "./lonely";
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
  reportView,
} from "./page_view";
import { aboutPage, ReportDialog } from "./report";
import { Returning } from "./returning";
import type { SettingsDialog } from "./settings_dialog";
import { selectionView, toolbarView } from "./toolbar_view";
import { TorrentActions } from "./torrent_actions";
import { showRemoved } from "./undo";
import { updateView } from "./update_view";
import { keepView, sortIn, viewIn } from "./view_state";

/** Height of the header, which covers the top of the list, in px. */
const COVERED = 64;
/** How long a new torrent is highlighted, in ms. */
const NEW_MS = 2_500;

/** The element that gets the focus when the focused button disappears, by test id. */
const INSTEAD: Readonly<Record<string, string>> = {
  "pause-all": "[data-testid=resume-all]",
  "resume-all": "[data-testid=pause-all]",
  "selected-all": "[data-testid=selected-pause]",
  "first-use-done": "[data-testid=add-link]",
};

const NO_PEERS: readonly PeerView[] = [];

/** Starts the list in this document. */
export function startList(host: Host, outside: Outside): void {
  const root = document.querySelector<HTMLElement>("#app")!;
  const picker = document.querySelector<HTMLInputElement>("#picker")!;
  const settingsDialog = document.querySelector<HTMLDialogElement>("#settings")!;
  const addingDialog = document.querySelector<HTMLDialogElement>("#adding")!;
  const reportDialog = document.querySelector<HTMLDialogElement>("#report")!;
  const forever = new AbortController().signal;

  const left = viewIn(tabStore);
  const state = new ListState(left, sortIn(localStore));
  const update = soon(show);
  const virtual = new VirtualLines(soon(draw), COVERED);
  const lineMaker = new Lines();
  const lonely = new Lonely();
  const announcer = new Announcer();
  const dialogs = new Dialogs(document.querySelector<HTMLDialogElement>("#dialog")!);
  let lines: readonly Line[] = [];
  let shown: readonly TorrentRow[] = [];
  /** How many torrents there were at the last render. */
  let lastCount = 0;
  /** Distance of the list from the page's top, in px. */
  let margin = 0;
  let announcement = "";
  let timer: ReturnType<typeof setTimeout> | undefined;
  const attention = new Attention({
    virtual,
    returning: new Returning(left, performance.now()),
    // The toolbar appears with the list; the resize observer reports its height later.
    isLaidOut: () => margin === beginning(),
    isWhole: () => state.allOpen.every((infoHash) => contentsOf(infoHash) !== undefined),
    update,
  });
  /** Info hash of a torrent to open as soon as it is in the list. */
  let toOpen = "";
  /** Torrents that were added although they were in the list. */
  const duplicates = new Set<string>();
  let dragging = false;
  let linkField = false;
  let linkWrong = "";
  const brought = broughtLink(new URL(location.href));
  if (brought) history.replaceState(null, "", brought.rest);
  /** A magnet link with which the browser opened this page. The user has to confirm it. */
  let offered = brought?.link ?? "";

  const sheet = new AddingSheet(addingDialog, host, {
    follow,
    open: (address) => location.assign(address),
    left: focusWhenThere,
    addNote: noteAbout,
  });
  const report = new ReportDialog(reportDialog, host, () =>
    aboutPage(outside.version, navigator.userAgent, navigator.language),
  );
  /** Loaded when the user opens it for the first time. */
  let settings: SettingsDialog | undefined;
  const adder = new Adder(addOnce, update, showAdded);
  const actions = new TorrentActions(host, state, {
    update,
    follow,
    shown: () => shown,
    addNote: (name, words) => adder.addNote(name, words),
    reveal: (infoHash) => {
      attention.scrollTo(infoHash);
      update();
    },
    save: saveFile,
    askToRemove: (torrents) =>
      dialogs.askToRemove(torrents, (deleteData) =>
        actions.removeNow(
          torrents.map(({ infoHash }) => infoHash),
          deleteData,
        ),
      ),
    decide: (infoHash) => sheet.ask(infoHash),
    askForName: (infoHash, file) =>
      dialogs.askForName(file, (name) => actions.renameNow(infoHash, file.index, name)),
  });

  const bell = new Bell(outside.notifications, update, () =>
    adder.addNote(t("notifyDeniedName"), t("notifyDenied")),
  );
  const linkFieldActions = { submit: submitLink, close: () => showLinkField(false) };
  const configure = (settings: Settings) => void host.intent({ kind: "configure", settings });
  const pageActions: PageActions = {
    bell: () => bell.view(),
    pick: () => picker.click(),
    link: () => showLinkField(!linkField),
    settings: () => void openSettings(),
    noticeAction: (does) => {
      if (does === "retry") host.retry();
      else if (does === "take_over") host.takeOver();
      else host.update();
    },
    copyCommand: (command) => void actions.copy(command, command),
    dismiss: (id) => adder.dismiss(id),
    dismissAll: () => {
      for (const note of adder.notes.filter(({ kind }) => kind === "failed"))
        adder.dismiss(note.id);
    },
  };

  const all = () => torrentsNow().map(({ infoHash }) => infoHash);
  const ofList = new ListActions(state, actions, all, update);

  picker.addEventListener("change", () => {
    adder.addFiles([...(picker.files ?? [])]);
    // Allows the user to choose the same file again.
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
      if (files.length > 0) adder.addFiles(files);
      else if (links.length > 0) adder.addLinks(links);
      else adder.addNote(t("listCannotAdd"), t("listCannotAddWhy"));
    },
  });
  watchPastes((links) => addByHand(links));
  outside.onAddLink((link) => adder.addLinks([link]));
  outside.onShowTorrent((infoHash) => {
    toOpen = infoHash;
    openWanted();
  });
  watchLines(root, virtual, { list: ofList, lines: () => lines, render: show }, forever);
  watchFind(forever);
  // The page restores its own scroll position.
  history.scrollRestoration = "manual";
  for (const name of ["wheel", "touchstart", "keydown", "pointerdown"])
    addEventListener(name, () => attention.stop(), { passive: true });
  addEventListener("pagehide", () =>
    keepView(tabStore, state.left(virtual.top, focusOf(document.activeElement))),
  );

  function torrentsNow(): readonly TorrentRow[] {
    return host.topic("list")?.torrents ?? [];
  }

  function contentsOf(infoHash: string): ContentsState | undefined {
    return host.topic(`torrent/${infoHash}`);
  }

  function world(): World | undefined {
    return host.topic("list")?.world;
  }

  /** Follows the topics that are shown: the list, open torrents, and peers of open details. */
  function follow(): void {
    const open = state.allOpen;
    const torrents = open.map((infoHash) => `torrent/${infoHash}` as const);
    const peers = open
      .filter((infoHash) => state.hasDetails(infoHash))
      .map((infoHash) => `peers/${infoHash}` as const);
    host.follow([...new Set(["list" as const, ...torrents, ...peers, ...sheet.topics])]);
  }

  function handleNews(): void {
    adder.setReady(host.link.kind === "connected");
    const list = host.topic("list");
    if (list) {
      lonely.look(list.torrents, performance.now());
      announcement = announcer.look(list.torrents) ?? announcement;
    }
    openArrived();
    openWanted();
    settings?.update();
    sheet.update();
    update();
  }

  /** Opens the torrent that the user wants to see, and scrolls to it. */
  function openWanted(): void {
    if (!all().includes(toOpen)) return;
    state.setOpen(toOpen, true);
    follow();
    mark(toOpen, false);
    toOpen = "";
    update();
  }

  function openArrived(): void {
    for (const infoHash of state.newcomers.arrived(torrentsNow())) state.setOpen(infoHash, true);
    follow();
  }

  /** Renders the page with the current state. */
  function show(): void {
    const focus = focusOf(document.activeElement);
    const focusedAt = focus ? lines.findIndex(({ key }) => key === focus.key) : -1;
    const pressed = (document.activeElement as HTMLElement | null)?.dataset["testid"] ?? "";
    shown = arranged(torrentsNow(), state.search, state.sort);
    state.selection.keep(shown.map(({ infoHash }) => infoHash));
    lines = lineMaker.of(shown, contentsOf, state);
    const isLastGone = lastCount > 0 && torrentsNow().length === 0;
    lastCount = torrentsNow().length;
    virtual.take(lines, margin);
    draw();
    if (document.activeElement !== document.body) return;
    if (isLastGone) {
      focusFirstOf("[data-testid=undo]", "[data-testid=add-link]");
      return;
    }
    if (focus) focusNear(focus.part, focusedAt);
    else if (INSTEAD[pressed]) document.querySelector<HTMLElement>(INSTEAD[pressed])?.focus();
  }

  /** Focuses a torrent's row as soon as it is in the list. */
  function focusWhenThere(infoHash: string): void {
    attention.focus(infoHash);
    update();
  }

  /** Renders the current lines, for example after scrolling. */
  function draw(): void {
    const { link } = host;
    const words = linkWords(link);
    const torrents = torrentsNow();
    const here = world();
    const roots = here?.roots ?? [];
    const isOnline = link.kind === "connected";
    const settled = isOnline || words.notice !== undefined;
    const now = performance.now();
    const data = {
      lines,
      torrents: new Map(shown.map((torrent) => [torrent.infoHash, torrent])),
      contents: contentsOf,
      peers: (infoHash: string) => host.topic(`peers/${infoHash}`)?.peers ?? NO_PEERS,
      isLonely: (infoHash: string) => lonely.has(infoHash, now),
      roots,
      hasFolders: here?.folders ?? false,
      isOnline,
    };
    document.title =
      torrents.length > 0 ? t("listTitle", tn("listCount", torrents.length)) : "JSTorrent";
    const hasSettings = !isOnline || here?.settings !== null;
    const untold = isOnline && here?.settings?.sharingTold === false ? here.settings : undefined;
    render(
      html`${headerView(words, link.kind, linkField, hasSettings, pageActions)}
        <main>
          <div class="above" id="above">
            ${linkField ? linkFieldView(linkWrong, linkFieldActions) : nothing}
            ${offered ? broughtView(offered, decideOffered) : nothing}
            ${host.updateReady ? updateView(() => host.restart()) : nothing}
            ${words.notice ? noticeView(words.notice, state.copied, pageActions) : nothing}
            ${engineNoticesView(here?.notices ?? [])}
            ${notesView(adder.notes, isOnline, pageActions)}
            ${untold ? firstUseView(untold, configure) : nothing}
            <p class="unseen" role="status" data-testid="announcement">${announcement}</p>
            ${torrents.length > 0 ? toolbarView(torrents, roots, state, ofList) : nothing}
          </div>
          ${selectionView(state.selection.size, shown.length, ofList)}
          ${
            shown.length > 0
              ? listView(data, virtual, state, actions)
              : torrents.length > 0
                ? html`<p class="none" data-testid="none-found">
                  ${t("listNoneFound", state.search.trim())}
                </p>`
                : settled
                  ? emptyView(pageActions)
                  : loadingView()
          }
          ${settled ? reportView(() => void report.open()) : nothing}
        </main>
        ${dragging ? dropView() : nothing}`,
      root,
    );
    virtual.rendered();
    attention.rendered(lines, now);
    clearTimeout(timer);
    const next = lonely.nextChange(now);
    if (next !== undefined) timer = setTimeout(update, next + 10);
  }

  /** Focuses the first of these elements that exists. */
  function focusFirstOf(...selectors: string[]): void {
    selectors
      .map((selector) => document.querySelector<HTMLElement>(selector))
      .find((element) => element !== null)
      ?.focus();
  }

  /** The focused line has disappeared: focuses the line that took its place. */
  function focusNear(part: string, at: number): void {
    const line = lines[Math.min(at, lines.length - 1)];
    if (line) focusOn({ key: line.key, part });
  }

  /** Distance of the list from the page's top, in px. Forces a layout. */
  function beginning(): number {
    const above = document.querySelector<HTMLElement>("#above")!;
    return above.offsetTop + above.offsetHeight;
  }

  /**
   * Sends an add intent, and notes whether the torrent was in the list before. The engine's reply
   * does not tell.
   */
  async function addOnce(intent: Intent): Promise<IntentReply> {
    const before = new Set(all());
    const reply = await host.intent(intent);
    if (reply.kind === "done" && before.has(reply.infoHash)) duplicates.add(reply.infoHash);
    return reply;
  }

  /** Shows a message about a torrent among the notes. */
  function noteAbout(infoHash: string, words: string): void {
    adder.addNote(
      torrentsNow().find((torrent) => torrent.infoHash === infoHash)?.name ?? infoHash,
      words,
    );
  }

  /** Opens and marks a torrent that was just added. When several are added at once, none opens. */
  function showAdded(infoHash: string, alone: boolean): void {
    const isDuplicate = duplicates.delete(infoHash);
    if (isDuplicate) {
      const name = torrentsNow().find((torrent) => torrent.infoHash === infoHash)?.name ?? "";
      announcement = t("listAlready", name);
    } else if (alone) {
      state.newcomers.expect(infoHash);
    }
    if (alone) mark(infoHash, isDuplicate);
    openArrived();
    sheet.ask(infoHash);
    update();
  }

  /** Scrolls to a torrent and highlights it for a moment. */
  function mark(infoHash: string, isDuplicate: boolean): void {
    // The search would hide it.
    if (!shown.some((torrent) => torrent.infoHash === infoHash)) state.search = "";
    attention.scrollTo(infoHash);
    state.newest = infoHash;
    state.already = isDuplicate;
    setTimeout(() => {
      if (state.newest === infoHash) state.newest = undefined;
      update();
    }, NEW_MS);
  }

  function showLinkField(isShown: boolean): void {
    linkField = isShown;
    linkWrong = "";
    show();
    const next = isShown ? "[data-testid=link-input]" : "[data-testid=add-link]";
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
    addByHand([typed]);
  }

  /** Adds links that the user typed or pasted, and offers to open magnet links here. */
  function addByHand(links: string[]): void {
    adder.addLinks(links);
    if (links.some((link) => isMagnet(link.trim())))
      offerToOpenMagnets(navigator, localStore, new URL(location.href));
  }

  function decideOffered(add: boolean): void {
    if (add) adder.addLinks([offered]);
    offered = "";
    update();
  }

  async function openSettings(): Promise<void> {
    const { SettingsDialog } = await import("./settings_dialog");
    settings ??= new SettingsDialog(settingsDialog, world, (intent) => host.intent(intent));
    settings.open();
  }

  follow();
  showRemoved(host, focusWhenThere, forever);
  host.listen(handleNews, forever);
  handleNews();
  show();
  new ResizeObserver(() => {
    margin = beginning();
    update();
  }).observe(document.querySelector("#above")!);
}
