// Actions on torrents and their files.
//
// Each action sends an intent to the engine. The page shows the answer beside the button or field
// that asked: in a part of the details, or in the torrent's row.

import type { FilePriority } from "../model/generated/FilePriority";
import type { FileView } from "../model/generated/FileView";
import type { Intent } from "../model/generated/Intent";
import type { IntentReply } from "../model/generated/IntentReply";
import type { QueueMove } from "../model/generated/QueueMove";
import { streamUrl } from "../model/locations";
import type { TorrentRow } from "../model/topics";
import type { Host } from "../host/host";
import { parsePeers } from "../text/address";
import { t, tn } from "../text/messages";
import { engineWords } from "../text/sentence_words";
import type { ReplyPlace } from "./details_ui";
import type { LimitsTexts } from "./limits_form";
import { sharingOf } from "./limits_form";
import type { ListState } from "./list_state";
import { isStopped } from "./torrent_words";

const COPIED_MS = 1_500;

/** What the actions need from the page. */
export interface ListPage {
  /** Renders the page again. */
  update(): void;
  /** Follows the topics of the torrents that are open now. */
  follow(): void;
  /** The torrents in the order in which they are shown. */
  shown(): readonly TorrentRow[];
  /** Shows a message until the user dismisses it. */
  addNote(name: string, words: string): void;
  /** Scrolls until the torrent's row is in the window. */
  reveal(infoHash: string): void;
  /** Saves a file as a browser download. */
  save(name: string, bytes: Uint8Array<ArrayBuffer>): void;
  askToRemove(torrents: readonly TorrentRow[]): void;
  askForName(infoHash: string, file: FileView): void;
  /** Opens the dialog that asks what to download of a torrent. */
  decide(infoHash: string): void;
}

/** What the rows, files and details of torrents can do. */
export class TorrentActions {
  constructor(
    private readonly host: Host,
    private readonly state: ListState,
    private readonly page: ListPage,
  ) {}

  /** Handles a click on a row outside of its buttons: selects the torrent, or opens it. */
  clicked(infoHash: string, event: MouseEvent): void {
    const target = event.target as Element;
    if (target.closest("a, button, input, select, label") || getSelection()?.isCollapsed === false)
      return;
    if (event.shiftKey) this.select(infoHash, true);
    else if (event.ctrlKey || event.metaKey) this.select(infoHash, false);
    else this.toggle(infoHash);
  }

  /** Asks which files of an undecided torrent to download. */
  decide(infoHash: string): void {
    this.page.decide(infoHash);
  }

  toggle(infoHash: string): void {
    this.state.newcomers.forget(infoHash);
    this.state.setOpen(infoHash, !this.state.isOpen(infoHash));
    this.page.follow();
    this.page.update();
  }

  /** Selects or deselects a torrent. `range` selects all from the last touched one. */
  select(infoHash: string, range: boolean): void {
    const { selection } = this.state;
    if (range) selection.extend(this.hashes(), infoHash);
    else selection.toggle(infoHash);
    this.page.update();
  }

  selectAll(): void {
    this.state.selection.all(this.hashes());
    this.page.update();
  }

  selectNone(): void {
    this.state.selection.clear();
    this.page.update();
  }

  /** The selected torrents. */
  get selected(): string[] {
    return this.state.selection.of(this.hashes());
  }

  pause(infoHashes: readonly string[]): void {
    for (const torrent of this.rowsOf(infoHashes))
      if (torrent.state !== "paused") void this.act({ kind: "pause", infoHash: torrent.infoHash });
  }

  resume(infoHashes: readonly string[]): void {
    for (const torrent of this.rowsOf(infoHashes))
      if (isStopped(torrent)) void this.act({ kind: "resume", infoHash: torrent.infoHash });
  }

  remove(infoHashes: readonly string[]): void {
    const torrents = this.rowsOf(infoHashes);
    if (torrents.length > 0) this.page.askToRemove(torrents);
  }

  /** Removes torrents without asking. */
  removeNow(infoHashes: readonly string[], deleteData: boolean): void {
    for (const infoHash of infoHashes) {
      this.state.forget(infoHash);
      void this.act({ kind: "remove", infoHash, deleteData, undo: true });
    }
    this.state.selection.clear();
    this.page.follow();
    this.page.update();
  }

  toggleDetails(infoHash: string): void {
    this.state.toggleDetails(infoHash);
    this.page.follow();
    this.page.update();
  }

  toggleFolder(infoHash: string, path: string): void {
    this.state.toggleFolder(infoHash, path);
    this.page.update();
  }

  findFile(infoHash: string, search: string): void {
    this.state.setSearchIn(infoHash, search);
    this.page.update();
  }

  want(infoHash: string, files: FilePriority[]): void {
    void this.act({ kind: "set_priorities", infoHash, files });
  }

  /** Selects or deselects files by their places in the list of files. */
  wantAll(infoHash: string, places: readonly number[], isWanted: boolean): void {
    const files = this.host.topic(`torrent/${infoHash}`)?.files ?? [];
    const changed = places
      .flatMap((at) => files[at] ?? [])
      .filter(({ priority }) => (priority !== "skip") !== isWanted);
    this.want(
      infoHash,
      changed.map(({ index }) => ({ index, priority: isWanted ? "normal" : "skip" })),
    );
  }

  /** Asks the engine to fetch the start of a film and the place where the user left it. */
  prepare(infoHash: string, index: number): void {
    const file = this.host
      .topic(`torrent/${infoHash}`)
      ?.files.find((candidate) => candidate.index === index);
    const position =
      file?.durationS && file.positionS > 0
        ? { seconds: file.positionS, durationS: file.durationS }
        : null;
    void this.host.intent({ kind: "prepare", infoHash, file: index, position });
  }

  watched(infoHash: string, index: number, watched: boolean): void {
    void this.act({ kind: "set_watched", infoHash, files: [index], watched });
  }

  rename(infoHash: string, file: FileView): void {
    this.page.askForName(infoHash, file);
  }

  /** Renames a file. Returns the reason if the engine refuses. */
  async renameNow(infoHash: string, index: number, name: string): Promise<string | undefined> {
    return failureOf(await this.host.intent({ kind: "rename_file", infoHash, index, name }));
  }

  moveInQueue(infoHash: string, to: QueueMove): void {
    void this.act({ kind: "move_in_queue", infoHash, to }, "facts");
  }

  async announce(infoHash: string): Promise<void> {
    const reply = await this.host.intent({ kind: "announce", infoHash });
    const done = reply.kind === "done" ? engineWords(reply) : "";
    this.showReply(infoHash, "trackers", failureOf(reply), done);
  }

  async removeTracker(infoHash: string, url: string): Promise<void> {
    const failure = failureOf(await this.host.intent({ kind: "remove_tracker", infoHash, url }));
    this.showReply(infoHash, "trackers", failure);
  }

  async copyMagnet(infoHash: string): Promise<void> {
    const reply = await this.act({ kind: "magnet_link", infoHash }, "facts");
    if (reply.kind === "text") await this.copy(reply.text, `magnet ${infoHash}`);
  }

  /** Saves the `.torrent` file as a browser download. */
  async saveTorrent(infoHash: string): Promise<void> {
    const reply = await this.act({ kind: "torrent_file", infoHash }, "facts");
    if (reply.kind === "file") this.page.save(reply.name, new Uint8Array(reply.content));
  }

  adopt(infoHash: string): void {
    void this.act({ kind: "adopt", infoHash }, "files");
  }

  /** Shows the torrent's files in this computer's file manager. */
  showInFolder(infoHash: string): void {
    void this.act({ kind: "show_in_folder", infoHash, file: null }, "files");
  }

  recheck(infoHash: string, begin: boolean): void {
    void this.act({ kind: begin ? "recheck" : "cancel_recheck", infoHash }, "files");
  }

  async move(infoHash: string, form: HTMLFormElement): Promise<void> {
    const field = (name: string) => textOf(form, name) ?? null;
    const intent: Intent = {
      kind: "move",
      infoHash,
      root: field("root"),
      folder: field("folder"),
      name: field("name"),
    };
    this.showReply(infoHash, "move", failureOf(await this.host.intent(intent)));
  }

  async limit(infoHash: string, form: HTMLFormElement): Promise<void> {
    const text = (name: keyof LimitsTexts) => textOf(form, name) ?? "";
    const texts = {
      download: text("download"),
      upload: text("upload"),
      ratio: text("ratio"),
      seedTime: text("seedTime"),
    };
    const sharing = sharingOf(texts);
    const words =
      "words" in sharing
        ? sharing.words
        : failureOf(await this.host.intent({ kind: "set_sharing", infoHash, sharing }));
    this.showReply(infoHash, "limits", words, t("torrentLimitsSaved"));
  }

  async addTrackers(infoHash: string, form: HTMLFormElement): Promise<void> {
    const trackers = (textOf(form, "trackers") ?? "").split(/\s+/).filter(Boolean);
    const failure =
      trackers.length > 0
        ? failureOf(await this.host.intent({ kind: "add_trackers", infoHash, trackers }))
        : "";
    if (failure === undefined) form.reset();
    this.showReply(infoHash, "trackers", failure);
  }

  async addPeers(infoHash: string, form: HTMLFormElement): Promise<void> {
    const parsed = parsePeers(textOf(form, "peers") ?? "");
    if ("words" in parsed) {
      this.showReply(infoHash, "peers", parsed.words);
      return;
    }
    const failure = failureOf(
      await this.host.intent({ kind: "add_peers", infoHash, peers: parsed.peers }),
    );
    if (failure === undefined) form.reset();
    this.showReply(infoHash, "peers", failure, tn("torrentPeersAdded", parsed.peers.length));
  }

  async copyAddress(infoHash: string, file: FileView): Promise<void> {
    const url = streamUrl(this.host.link, file);
    if (url) await this.copy(url, `${infoHash}/${file.index}`);
  }

  /** Copies a text. `key` identifies the button that then shows a tick. */
  async copy(text: string, key: string): Promise<void> {
    const { state, page } = this;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // The page is in the background, or the user has denied clipboard access.
      page.addNote(text, t("listCopyFailed"));
      return;
    }
    state.copied = key;
    page.update();
    setTimeout(() => {
      if (state.copied === key) state.copied = undefined;
      page.update();
    }, COPIED_MS);
  }

  /** Removes the engine's last answer from a torrent's row. */
  dismissReply(infoHash: string): void {
    this.showReply(infoHash, "row", undefined);
  }

  /** Sends an intent about a torrent, and shows the engine's answer at `place`. */
  private async act(
    intent: Intent & { infoHash: string },
    place: ReplyPlace = "row",
  ): Promise<IntentReply> {
    const { infoHash } = intent;
    const reply = await this.host.intent(intent);
    const failure = failureOf(reply);
    if (failure !== undefined) this.state.refusals += 1;
    this.showReply(infoHash, place, failure, reply.kind === "done" ? engineWords(reply) : "");
    // A file's line can be far below its torrent's row.
    if (failure !== undefined && place === "row") this.page.reveal(infoHash);
    return reply;
  }

  private rowsOf(infoHashes: readonly string[]): TorrentRow[] {
    return (this.host.topic("list")?.torrents ?? []).filter(({ infoHash }) =>
      infoHashes.includes(infoHash),
    );
  }

  private hashes(): string[] {
    return this.page.shown().map(({ infoHash }) => infoHash);
  }

  /** Shows the engine's refusal, or else what it did, at a place of a torrent. */
  private showReply(
    infoHash: string,
    place: ReplyPlace,
    failure: string | undefined,
    done = "",
  ): void {
    const text = failure ?? done;
    // Nothing to show, and nothing to replace.
    if (text !== "" || this.state.wordsOf(infoHash)[place] !== undefined)
      this.state.setWords(infoHash, place, { text, isWrong: failure !== undefined });
    this.page.update();
  }
}

function failureOf(reply: IntentReply): string | undefined {
  return reply.kind === "failed" ? engineWords(reply) : undefined;
}

function textOf(form: HTMLFormElement, name: string): string | undefined {
  return (form.elements.namedItem(name) as HTMLInputElement | HTMLSelectElement | null)?.value;
}
