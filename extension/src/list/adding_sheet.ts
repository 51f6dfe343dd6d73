// The dialog for torrents that were just added: asks which files to download.
//
// The dialog opens for each new torrent in turn, as soon as its files are known. It holds the
// choices that are not sent to the engine yet. Closing it loses only these: the torrent stays in
// the list, undecided.

import { render } from "lit";
import type { Host } from "../host/host";
import type { Choice } from "../model/generated/Choice";
import type { Intent } from "../model/generated/Intent";
import type { TopicName, TorrentRow } from "../model/topics";
import { playerPage } from "../model/locations";
import { all, filmOf, priorities, type Touched } from "./adding_choice";
import { addingView } from "./adding_view";
import { engineWords } from "../text/sentence_words";

const FILES_AT_FIRST = 100;
const FILES_MORE = 400;

/** What the dialog needs from the page. */
export interface AddingOwner {
  /** Called when `topics` has changed. */
  follow(): void;
  /** Navigates to another page. */
  open(address: string): void;
  /** Called when the user has decided about this torrent and the dialog has closed. */
  left(infoHash: string): void;
  /** Shows a message about a torrent until the user dismisses it. */
  addNote(infoHash: string, words: string): void;
}

/** Controls the dialog and the queue of torrents to ask about. */
export class AddingSheet {
  /** Torrents to ask about. The dialog shows the first one. */
  private queue: string[] = [];
  /** Queued torrents that the list has contained. If the list loses one, it was removed. */
  private seen = new Set<string>();
  private shown: string | undefined;
  private touched: Touched = new Map();
  private filesShown = FILES_AT_FIRST;
  private root = "";
  private words = "";
  private busy = false;

  constructor(
    private readonly dialog: HTMLDialogElement,
    private readonly host: Pick<Host, "topic" | "intent">,
    private readonly owner: AddingOwner,
  ) {
    // Escape closes the whole queue: a user who closes one dialog does not want the next.
    dialog.addEventListener("cancel", () => (this.queue = []));
    dialog.addEventListener("close", () => this.closed());
  }

  /** Queues a torrent that was added, or that the user wants to decide about now. */
  ask(infoHash: string): void {
    if (!this.queue.includes(infoHash)) this.queue.push(infoHash);
    this.update();
  }

  /** The topics that the dialog needs. */
  get topics(): TopicName[] {
    return this.queue.length > 0 ? [`torrent/${this.queue[0]!}`] : [];
  }

  /** Renders the dialog again after the engine's state has changed. */
  update(): void {
    const rows = this.host.topic("list")?.torrents;
    if (rows === undefined) return;
    // Drops torrents that were decided elsewhere or are not undecided. A torrent that was just
    // added may not be in the list yet.
    const row = (infoHash: string) => rows.find((torrent) => torrent.infoHash === infoHash);
    this.queue = this.queue.filter(
      (infoHash) => row(infoHash)?.undecided ?? !this.seen.has(infoHash),
    );
    this.seen = new Set(this.queue.filter((infoHash) => row(infoHash)));
    const first = this.queue.findIndex((infoHash) => (row(infoHash)?.fileCount ?? 0) > 0);
    if (first > 0 && this.shown === undefined) this.queue.unshift(...this.queue.splice(first, 1));
    this.owner.follow();
    const infoHash = this.queue[0];
    if (infoHash !== this.shown) this.begin(infoHash, row(infoHash ?? ""));
    this.show();
  }

  private begin(infoHash: string | undefined, row: TorrentRow | undefined): void {
    const ready = infoHash !== undefined && row !== undefined && row.fileCount > 0;
    [this.shown, this.touched, this.filesShown] = [
      ready ? infoHash : undefined,
      new Map(),
      FILES_AT_FIRST,
    ];
    [this.root, this.words, this.busy] = [row?.root ?? "", "", false];
    if (!ready && this.dialog.open) this.dialog.close();
  }

  private show(): void {
    const infoHash = this.shown;
    const list = this.host.topic("list");
    const torrent = list?.torrents.find((candidate) => candidate.infoHash === infoHash);
    const contents = infoHash === undefined ? undefined : this.host.topic(`torrent/${infoHash}`);
    if (!infoHash || !list || !torrent || !contents || contents.files.length === 0) return;
    const { files } = contents;
    const ui = {
      touched: this.touched,
      filesShown: this.filesShown,
      roots: list.world.roots,
      root: this.root,
      waiting: this.queue.length - 1,
      words: this.words,
      busy: this.busy,
    };
    const set = (change: () => void) => {
      change();
      this.show();
    };
    render(
      addingView({ ...torrent, ...contents }, ui, {
        choose: (index, chosen) =>
          set(() => (this.touched = new Map(this.touched).set(index, chosen))),
        chooseAll: (chosen) => set(() => (this.touched = all(files, chosen))),
        moreFiles: () => set(() => (this.filesShown += FILES_MORE)),
        into: (root) => set(() => (this.root = root)),
        watch: () => {
          const film = filmOf(files, this.touched, torrent.next?.index);
          if (film)
            void this.decide("watch", infoHash).then(
              (done) => done && this.owner.open(playerPage(infoHash, film.index)),
            );
        },
        download: () => void this.decide("download", infoHash),
        downloadAll: () =>
          void this.decide("download", infoHash).then((done) => done && this.downloadRest()),
        cancel: () => this.remove(infoHash),
        later: () => {
          this.queue = [];
          this.dialog.close();
        },
      }),
      this.dialog,
    );
    if (!this.dialog.open) this.dialog.showModal();
  }

  /** Sends the user's decision. Returns false, and shows why, if the engine refuses. */
  private async decide(choice: Choice, infoHash: string): Promise<boolean> {
    const { files } = this.host.topic(`torrent/${infoHash}`) ?? { files: [] };
    const lies = this.host
      .topic("list")
      ?.torrents.find((torrent) => torrent.infoHash === infoHash)?.root;
    this.busy = true;
    this.show();
    const root = this.root === lies ? null : this.root;
    const reply = await this.host.intent({
      kind: "decide",
      infoHash,
      choice,
      files: priorities(files, this.touched),
      root,
    });
    // The dialog may show the next torrent by now, so the failure goes to the list.
    if (this.shown !== infoHash) {
      if (reply.kind === "failed") this.owner.addNote(infoHash, engineWords(reply));
      return reply.kind === "done";
    }
    this.busy = false;
    if (reply.kind !== "done") {
      this.words = reply.kind === "failed" ? engineWords(reply) : "";
      this.show();
      return false;
    }
    this.leave(infoHash);
    return true;
  }

  private downloadRest(): void {
    const rest = this.queue;
    this.queue = [];
    for (const infoHash of rest)
      void this.act({ kind: "decide", infoHash, choice: "download", files: [], root: null });
    this.update();
  }

  private remove(infoHash: string): void {
    this.leave(infoHash);
    void this.act({ kind: "remove", infoHash, deleteData: true, undo: false });
  }

  private async act(intent: Intent & { infoHash: string }): Promise<void> {
    const reply = await this.host.intent(intent);
    if (reply.kind === "failed") this.owner.addNote(intent.infoHash, engineWords(reply));
  }

  /** Finishes with this torrent and shows the next one. */
  private leave(infoHash: string): void {
    this.queue = this.queue.filter((waiting) => waiting !== infoHash);
    this.shown = undefined;
    this.dialog.close();
    this.update();
    if (!this.dialog.open) this.owner.left(infoHash);
  }

  private closed(): void {
    // The event comes late: the dialog may already show the next torrent.
    if (this.dialog.open) return;
    this.shown = undefined;
    this.owner.follow();
  }
}
