// What the templates of a torrent's details share: their data besides the torrent.

import type { RootView } from "../model/generated/RootView";
import type { FormWords } from "./forms";

/** What the details show besides the torrent. */
export interface DetailsUi {
  /** Whether the daemon is connected. */
  isOnline: boolean;
  /** The download folders. */
  roots: readonly RootView[];
  /** Whether the daemon can open folders in this computer's file manager. */
  hasFolders: boolean;
  /** Key of the text that was just copied. */
  copied: string | undefined;
  /** The engine's answers, by the place where the user asked. */
  words: Readonly<Partial<Record<ReplyPlace, FormWords>>>;
}

/** The places that show an answer of the engine. `row` is the torrent's row. */
export type ReplyPlace = "row" | "facts" | "files" | "peers" | "move" | "limits" | "trackers";
