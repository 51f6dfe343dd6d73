// Adding torrents: takes the files and links that a person gave, checks what can be checked here,
// hands them to the engine.
//
// It knows the engine only as a function and keeps a note for each thing given until a person has
// no more use for it: what was added needs none. What is given while there is no daemon waits for
// it.

import type { Intent } from "../model/generated/Intent";
import type { IntentReply } from "../model/generated/IntentReply";
import { size } from "../text/format";
import { t, tn } from "../text/messages";
import { parseLink } from "../text/torrent_link";
import { saidWords } from "../text/sentence_words";

/** The part of a `File` that is looked at. */
export interface GivenFile {
  name: string;
  size: number;
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** What became of one file or link. */
export interface Note {
  id: number;
  name: string;
  kind: "waiting" | "adding" | "failed";
  /** Plain words, for `failed`. */
  words: string;
}

/** A `.torrent` file larger than this is refused before it is read. */
export const MAX_METAINFO_BYTES = 8 * 1024 * 1024;
/** How many files and links are read and handed over at a time. */
const AT_ONCE = 4;
/** So many files are taken at a time; a folder dropped by mistake can hold any number. */
export const MOST_FILES = 1_000;

/** Something to be added; `read` makes the intent of it, or words why there is none. */
interface Item {
  name: string;
  read(): Promise<Intent | string>;
}

/** The files and links that a person gave and that are not torrents of the engine yet. */
export class Adder {
  notes: Note[] = [];
  private nextId = 0;
  private running = 0;
  private ready = false;
  private readonly queue: { note: Note; item: Item; alone: boolean }[] = [];

  constructor(
    private readonly add: (intent: Intent) => Promise<IntentReply>,
    private readonly changed: () => void,
    /** Hears of each torrent that was added; `alone`: it was the only one given. */
    private readonly added: (infoHash: string, alone: boolean) => void,
  ) {}

  /** Takes files, in their order. */
  give(files: GivenFile[]): void {
    this.take(files.slice(0, MOST_FILES).map(fileItem));
    const left = files.length - MOST_FILES;
    if (left > 0) this.say(tn("addMoreFiles", left), t("addMostFiles", MOST_FILES));
  }

  /** Takes links, in their order. */
  giveLinks(links: string[]): void {
    this.take(links.map(linkItem));
  }

  /** Notes something that was given and is neither. */
  say(name: string, words: string): void {
    this.notes.push({ id: this.nextId++, name, kind: "failed", words });
    this.changed();
  }

  /** Whether the engine has a daemon now; what was given waits for it. */
  setReady(ready: boolean): void {
    this.ready = ready;
    this.proceed();
  }

  /** Takes away a note that was read. */
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
      this.fail(note, saidWords(reply));
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

function fileItem(file: GivenFile): Item {
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

/** The bytes of a file that can be a `.torrent`, or words why it can't. */
export async function readMetainfo(file: GivenFile): Promise<Uint8Array | string> {
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
  // Every .torrent is a bencoded dictionary; the engine looks at the rest.
  if (bytes[0] !== "d".charCodeAt(0)) return t("addNotTorrent");
  return bytes;
}
