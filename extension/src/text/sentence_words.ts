// Translates the engine's sentences into the page's language.
//
// The engine sends a code with values, and the English text. The sentence of a code is named
// `engine_CODE` in `_locales/`; the compiler checks that none is missing.

import type { Sentence } from "../model/generated/Sentence";
import type { Why } from "../model/generated/Why";
import { size } from "./format";
import type { CountedName, MessageName } from "./messages";
import { language, t, tn } from "./messages";

type Code = Sentence["code"];
type Of<C extends Code> = Extract<Sentence, { code: C }>;
/** Codes that have values. */
type Valued = { [C in Code]: keyof Of<C> extends "code" ? never : C }[Code];
/** Codes that need more than filling values into `engine_CODE`. */
type Special =
  | "announcing"
  | "files_missing"
  | "no_peers"
  | "not_described"
  | "spared"
  | "tracker_warns"
  | "unreadable";

/** The values for `$1`, `$2` and so on, by code. */
const VALUES: {
  [C in Exclude<Valued, Special>]: (sentence: Of<C>) => (string | number)[];
} = {
  no_such_file: () => [],
  file_too_large: ({ mostMib }) => [mostMib],
  torrent_damaged: ({ detail }) => [detail],
  torrent_unusable: ({ detail }) => [detail],
  link_unusable: ({ detail }) => [detail],
  too_many_fetches: ({ most }) => [most],
  fetch_status: ({ status }) => [String(status)],
  fetch_failed: ({ why }) => [whyWords(why)],
  too_many_torrents: ({ most }) => [most],
  not_a_peer: ({ address }) => [address],
  not_a_tracker: ({ url }) => [url],
  too_many_trackers: ({ most }) => [most],
  asked_just_now: ({ seconds }) => [seconds],
  tracker_refuses: ({ reason }) => [reason],
  tracker_status: ({ status }) => [String(status)],
  tracker_failed: ({ why }) => [whyWords(why)],
  unfit_name: ({ name, safe }) => [name, safe],
  absolute_folder: ({ folder }) => [folder],
  name_taken: ({ name }) => [name],
  path_too_long: ({ name }) => [name],
  move_not_saved: ({ why }) => [whyWords(why)],
  place_taken: ({ path }) => [path],
  cant_move_there: ({ why }) => [whyWords(why)],
  move_denied: ({ why }) => [whyWords(why)],
  move_exists: ({ name }) => [name],
  move_failed: ({ name, why }) => [name, whyWords(why)],
  move_returning: ({ why }) => [sentenceWords(why)],
  move_stayed: ({ why }) => [sentenceWords(why)],
  move_stuck: ({ why }) => [sentenceWords(why)],
  cant_show: ({ why }) => [whyWords(why)],
  folder_unusable: ({ why }) => [whyWords(why)],
  settings_not_saved: ({ why }) => [whyWords(why)],
  peers_out_of_range: ({ most }) => [most],
  getting_description: ({ have, all }) => [have, all],
  read_only: ({ why }) => [whyWords(why)],
  disk_missing: ({ why }) => [capital(whyWords(why))],
  bad_name: ({ why }) => [whyWords(why)],
  names_taken: ({ name }) => [name],
  disk_problem: ({ why }) => [whyWords(why)],
  disk_problem_stays: ({ why }) => [whyWords(why)],
  cant_delete: ({ name, why }) => [name, whyWords(why)],
  cant_delete_there: ({ why }) => [whyWords(why)],
  not_saved: ({ detail }) => [detail],
  not_read: ({ detail }) => [detail],
  set_aside: ({ path }) => [path],
  watched_not_saved: ({ detail }) => [detail],
  watched_set_aside: ({ path }) => [path],
  needs_space: ({ folder, neededBytes, freeBytes }) => [folder, size(neededBytes), size(freeBytes)],
};

const SPECIAL: { [C in Special]: (sentence: Of<C>) => string } = {
  announcing: ({ count }) => tn("engine_announcing", count),
  files_missing: ({ name, others }) => withOthers("engine_files_missing", name, others),
  // The page's state already says that there are no peers.
  no_peers: ({ why }) => capital(sentenceWords(why)),
  not_described: ({ tries, seconds }) => tn("engine_not_described", tries, seconds),
  spared: ({ name, others }) => withOthers("engine_spared", name, others),
  // The tracker's own text.
  tracker_warns: ({ warning }) => warning,
  unreadable: ({ count }) => tn("engine_unreadable", count),
};

/** A message of the engine: a code, or only the English text. */
export interface EngineText {
  says?: Sentence;
  message?: string | null;
}

/** A message of the engine in words. Empty if there is none. */
export function engineWords({ says, message }: EngineText): string {
  return says === undefined ? (message ?? "") : sentenceWords(says);
}

/** A sentence of the engine in words. */
export function sentenceWords(sentence: Sentence): string {
  const { code } = sentence;
  if (isSpecial(code)) return (SPECIAL[code] as (sentence: Sentence) => string)(sentence);
  const name: MessageName = `engine_${code}`;
  return isValued(code)
    ? t(name, ...(VALUES[code] as (sentence: Sentence) => (string | number)[])(sentence))
    : t(name);
}

/** Why something failed. English pages show the daemon's own text, which is more precise. */
export function whyWords({ kind, text }: Why): string {
  return kind === "other" || (language() === "en" && text !== "") ? text : t(`engine_why_${kind}`);
}

function withOthers(
  name: "engine_files_missing" | "engine_spared",
  first: string,
  others: number,
): string {
  const counted: CountedName = `${name}_more`;
  return others === 0 ? t(name, first) : tn(counted, others, first);
}

function isSpecial(code: Code): code is Special {
  return code in SPECIAL;
}

function isValued(code: Code): code is keyof typeof VALUES {
  return code in VALUES;
}

function capital(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}
