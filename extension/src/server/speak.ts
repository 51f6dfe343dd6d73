// The sentences of the server's page, in the first of the viewer's languages that there is. The
// first import of each entry.

import { inTable, speak } from "../text/messages";

const tables = {
  en: () => import("../../_locales/en/messages.json"),
  de: () => import("../../_locales/de/messages.json"),
};

const wanted =
  navigator.languages
    .map((language) => language.split("-")[0]!)
    .find((language) => language in tables) ?? "en";
speak(inTable((await tables[wanted as keyof typeof tables]()).default));
document.documentElement.lang = wanted;
