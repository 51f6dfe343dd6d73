// Adding torrents: checks files and links that the user added, and sends them to the engine.
//
// An `Adder` keeps one note per file or link until it is added or the user dismisses the note.
// While the daemon is not connected, items wait.

import type { Intent } from "../model/generated/Intent";
import type { IntentReply } from "../model/generated/IntentReply";
import { size } from "../text/format";
import { t, tn } from "../text/messages";
import { parseLink } from "../text/torrent_link";
import { engineWords } from "../text/sentence_words";

/** The fields of a `File` that this module reads. */
export interface AddedFile {
  name: string;
  size: number;
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** The state of one file or link that is being added. */
export interface Note {
  id: number;
  name: string;
  kind: "waiting" | "adding" | "failed";
  /** Why it failed, in plain words. Empty unless `kind` is `failed`. */
  words: string;
}

/** Largest `.torrent` file that is read, in bytes. Larger ones are refused. */
const MAX_METAINFO_BYTES = 8 * 1024 * 1024;
/** How many files and links are processed at the same time. */
const AT_ONCE = 4;
/** Most files taken at once: a folder dropped by mistake can hold any number. */
export const MOST_FILES = 1_000;

/** A file or link to add. `read` returns its intent, or the reason why there is none. */
interface Item {
  name: string;
  read(): Promise<Intent | string>;
}

/** Queues files and links until the engine has added them. */
export class Adder {
  notes: Note[] = [];
  private nextId = 0;
  private running = 0;
  private ready = false;
  private readonly queue: { note: Note; item: Item; alone: boolean }[] = [];

  constructor(
    private readonly add: (intent: Intent) => Promise<IntentReply>,
    private readonly changed: () => void,
    /** Called for each added torrent. `alone` is true if it was the only item added. */
    private readonly added: (infoHash: string, alone: boolean) => void,
  ) {}

  /** Queues files, in their order. */
  addFiles(files: AddedFile[]): void {
    this.take(files.slice(0, MOST_FILES).map(fileItem));
    const left = files.length - MOST_FILES;
    if (left > 0) this.addNote(tn("addMoreFiles", left), t("addMostFiles", MOST_FILES));
  }

  /** Queues links, in their order. */
  addLinks(links: string[]): void {
    this.take(links.map(linkItem));
  }

  /** Adds a note about something that could not be added. */
  addNote(name: string, words: string): void {
    this.notes.push({ id: this.nextId++, name, kind: "failed", words });
    this.changed();
  }

  /** Sets whether the daemon is connected. Queued items wait until it is. */
  setReady(ready: boolean): void {
    this.ready = ready;
    this.proceed();
  }

  /** Removes a note. */
  dismiss(id: number): void {
    this.notes = this.notes.filter((note) => note.id !== id);
    this.changed();
  }

  private take(items: Item[]): void {
    for (const item of items) {
      const note: Note = { id: this.nextId++, name: item.name, kind: "waiting", words: "" };
      this.notes.push(note);
      this.queue.push({ note, item, alone: items.length === 1 });
    }
    this.proceed();
    this.changed();
  }

  private proceed(): void {
    while (this.ready && this.running < AT_ONCE) {
      const next = this.queue.shift();
      if (!next) return;
      this.running += 1;
      next.note.kind = "adding";
      void this.addOne(next.note, next.item, next.alone).finally(() => {
        this.running -= 1;
        this.proceed();
        this.changed();
      });
    }
  }

  private async addOne(note: Note, item: Item, alone: boolean): Promise<void> {
    const intent = await item.read();
    if (typeof intent === "string") {
      this.fail(note, intent);
      return;
    }
    const reply = await this.add(intent);
    if (reply.kind === "failed") {
      this.fail(note, engineWords(reply));
      return;
    }
    this.dismiss(note.id);
    if (reply.kind === "done") this.added(reply.infoHash, alone);
  }

  private fail(note: Note, words: string): void {
    note.kind = "failed";
    note.words = words;
  }
}

function fileItem(file: AddedFile): Item {
  return {
    name: file.name,
    read: async () => {
      const metainfo = await readMetainfo(file);
      return typeof metainfo === "string" ? metainfo : { kind: "add_torrent", metainfo };
    },
  };
}

function linkItem(link: string): Item {
  const parsed = parseLink(link);
  if ("words" in parsed) return { name: t("addThatLink"), read: async () => parsed.words };
  return { name: parsed.name, read: async () => parsed.intent };
}

/** Reads a `.torrent` file. Returns its bytes, or the reason why it is not one. */
export async function readMetainfo(file: AddedFile): Promise<Uint8Array | string> {
  if (file.size > MAX_METAINFO_BYTES) {
    return t("addTooLarge", size(file.size), size(MAX_METAINFO_BYTES));
  }
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(await file.arrayBuffer());
  } catch {
    return t("addUnreadable");
  }
  if (bytes.length === 0) return t("addEmpty");
  // Every .torrent is a bencoded dictionary. The engine checks the rest.
  if (bytes[0] !== "d".charCodeAt(0)) return t("addNotTorrent");
  return bytes;
}
