// Adding torrents: reads the files a person gave, checks what can be checked here, hands them to the engine.
//
// It knows the engine only as a function and keeps a note for each file until a person has no more use for it: a file
// that was added needs none. Files given while there is no daemon wait for it.

import type { IntentReply } from "../generated/IntentReply";
import { MAX_METAINFO_BYTES } from "../messages";
import { size } from "../page/format";

/** The part of a `File` that is looked at. */
export interface GivenFile {
  name: string;
  size: number;
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** What became of one file. */
export interface Note {
  id: number;
  name: string;
  kind: "waiting" | "adding" | "failed";
  /** Plain words, for `failed`. */
  words: string;
}

/** How many files are read and handed over at a time. */
const AT_ONCE = 4;
/** So many files are taken at a time; a folder dropped by mistake can hold any number. */
export const MOST_FILES = 1_000;

/** The files that a person gave and that are not torrents of the engine yet. */
export class Adder {
  notes: Note[] = [];
  private nextId = 0;
  private running = 0;
  private ready = false;
  private readonly queue: { note: Note; file: GivenFile; alone: boolean }[] = [];

  constructor(
    private readonly add: (metainfo: Uint8Array) => Promise<IntentReply>,
    private readonly changed: () => void,
    /** Hears of each torrent that was added; `alone`: its file was the only one given. */
    private readonly added: (infoHash: string, alone: boolean) => void,
  ) {}

  /** Takes files, in their order. */
  give(files: GivenFile[]): void {
    for (const file of files.slice(0, MOST_FILES)) {
      const note: Note = { id: this.nextId++, name: file.name, kind: "waiting", words: "" };
      this.notes.push(note);
      this.queue.push({ note, file, alone: files.length === 1 });
    }
    const left = files.length - MOST_FILES;
    if (left > 0) this.say(`${left} more files`, `At most ${MOST_FILES} files are added at a time.`);
    this.proceed();
    this.changed();
  }

  /** Notes something that was given and is no file. */
  say(name: string, words: string): void {
    this.notes.push({ id: this.nextId++, name, kind: "failed", words });
    this.changed();
  }

  /** Whether the engine has a daemon now; files wait for it. */
  setReady(ready: boolean): void {
    this.ready = ready;
    this.proceed();
  }

  /** Takes away a note that was read. */
  dismiss(id: number): void {
    this.notes = this.notes.filter((note) => note.id !== id);
    this.changed();
  }

  private proceed(): void {
    while (this.ready && this.running < AT_ONCE) {
      const next = this.queue.shift();
      if (!next) return;
      this.running += 1;
      next.note.kind = "adding";
      void this.addOne(next.note, next.file, next.alone).finally(() => {
        this.running -= 1;
        this.proceed();
        this.changed();
      });
    }
  }

  private async addOne(note: Note, file: GivenFile, alone: boolean): Promise<void> {
    const read = await readMetainfo(file);
    if (typeof read === "string") {
      this.fail(note, read);
      return;
    }
    const reply = await this.add(read);
    if (reply.kind === "failed") {
      this.fail(note, reply.message);
      return;
    }
    this.dismiss(note.id);
    this.added(reply.infoHash, alone);
  }

  private fail(note: Note, words: string): void {
    note.kind = "failed";
    note.words = words;
  }
}

/** The bytes of a file that can be a `.torrent`, or words why it can't. */
export async function readMetainfo(file: GivenFile): Promise<Uint8Array | string> {
  if (file.size > MAX_METAINFO_BYTES) {
    return `This file has ${size(file.size)}; a .torrent file has at most ${size(MAX_METAINFO_BYTES)}. Is it the film itself?`;
  }
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(await file.arrayBuffer());
  } catch {
    return "This could not be read. If it is a folder, drop the .torrent files in it.";
  }
  if (bytes.length === 0) return "This file is empty.";
  // Every .torrent is a bencoded dictionary; the engine looks at the rest.
  if (bytes[0] !== "d".charCodeAt(0)) return "This is not a .torrent file.";
  return bytes;
}
