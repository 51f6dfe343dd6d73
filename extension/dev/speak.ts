// Sets the test pages' language: English, or German with `?lang=de`.

import de from "../_locales/de/messages.json";
import en from "../_locales/en/messages.json";
import { inTable, speak } from "../src/text/messages";

speak(inTable(new URLSearchParams(location.search).get("lang") === "de" ? de : en));
