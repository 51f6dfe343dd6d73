// Sets the test pages' language: English, or German with `?lang=de`.

import de from "../_locales/de/messages.json";
import en from "../_locales/en/messages.json";
import { inTable, setSentences } from "../src/text/messages";

setSentences(inTable(new URLSearchParams(location.search).get("lang") === "de" ? de : en));
