// Loads the sentences of the server's page in the viewer's first supported language.
//
// Each entry imports it first.

import { inTable, setSentences } from "../text/messages";

const tables = {
  en: () => import("../../_locales/en/messages.json"),
  de: () => import("../../_locales/de/messages.json"),
};

const wanted =
  navigator.languages
    .map((language) => language.split("-")[0]!)
    .find((language) => language in tables) ?? "en";
setSentences(inTable((await tables[wanted as keyof typeof tables]()).default));
document.documentElement.lang = wanted;
