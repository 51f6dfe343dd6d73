// Names of subtitle tracks, and what a file's name says about language and kind.

import { t } from "../../text/messages";

/** `de` for `ger`, `deu`, `de-DE` and `DE`. `undefined` for an unknown language. */
export function baseLanguage(language: string | undefined): string | undefined {
  return canonical(language)?.split("-")[0];
}

function canonical(language: string | undefined): string | undefined {
  if (!language || language.length > 35) return undefined;
  try {
    const [found] = Intl.getCanonicalLocales(language.replaceAll("_", "-"));
    return found === undefined || /^(und|mul|zxx|mis)\b/.test(found) ? undefined : found;
  } catch {
    return undefined;
  }
}

const namers = new Map<string, Intl.DisplayNames>();

/** A language's name in the language `ui`. `undefined` if there is none. */
export function languageName(language: string | undefined, ui: string): string | undefined {
  const tag = canonical(language);
  if (tag === undefined) return undefined;
  let namer = namers.get(ui);
  if (!namer)
    namers.set(ui, (namer = new Intl.DisplayNames([ui], { type: "language", fallback: "none" })));
  const name = namer.of(tag) ?? namer.of(tag.split("-")[0]!);
  return name && name.charAt(0).toLocaleUpperCase(ui) + name.slice(1);
}

/** What a file's name says about its subtitles. */
export interface NameFacts {
  language: string | undefined;
  title: string | undefined;
  forced: boolean;
}

const SUBTITLE_NAME = /\.(srt|vtt|ass|ssa|sup|sub|smi|ttml)$/i;
/** Words for the kind of subtitles. */
const KINDS: Record<string, () => string> = {
  sdh: () => "SDH",
  cc: () => "CC",
  hi: () => "SDH",
  commentary: () => t("subtitlesCommentary"),
  signs: () => t("subtitlesSigns"),
};

let english: Map<string, string> | undefined;

/**
 * Parses the name of a subtitle file from its end, as long as words are known. Examples are
 * `Film.en.forced.srt`, `English (SDH).srt` and `2_German.srt`.
 */
export function factsOfName(name: string): NameFacts {
  const stem = name.slice(name.lastIndexOf("/") + 1).replace(SUBTITLE_NAME, "");
  const words = stem.split(/[\s._()[\]+]+/).filter((word) => word !== "");
  const facts: NameFacts = { language: undefined, title: undefined, forced: false };
  for (const word of words.reverse()) {
    const lower = word.toLowerCase();
    if (lower === "forced") facts.forced = true;
    // A two-letter word before the language belongs to the film's name.
    else if (KINDS[lower] && facts.language === undefined) facts.title = KINDS[lower]();
    else if (facts.language === undefined && languageOf(word) !== undefined)
      facts.language = languageOf(word);
    else if (!/^\d{1,2}$/.test(word)) break;
  }
  return facts;
}

/** The language for a code or an English name. */
function languageOf(word: string): string | undefined {
  const lower = word.toLowerCase();
  if (!english) {
    english = new Map();
    const namer = new Intl.DisplayNames(["en"], { type: "language" });
    for (const code of COMMON) english.set(namer.of(code)!.toLowerCase(), code);
  }
  const byName = english.get(lower);
  if (byName) return byName;
  if (!/^[a-z]{2,3}(-[a-z]{2,4}|-\d{3})?$/i.test(word)) return undefined;
  const base = baseLanguage(word);
  return base !== undefined && COMMON.has(base) ? canonical(word) : undefined;
}

/** Languages that are recognized in file names. Any three letters are a language somewhere. */
const COMMON = new Set(
  (
    "af ar az be bg bn bs ca cs cy da de el en es et eu fa fi fil fr ga gl gu he hi hr hu hy id " +
    "is it ja ka kk km kn ko lt lv mk ml mn mr ms nb nl nn no pa pl pt ro ru si sk sl sq sr sv " +
    "sw ta te th tr uk ur uz vi zh"
  ).split(" "),
);
