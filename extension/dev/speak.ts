// The dev pages speak English, or German with `?lang=de` in their address.

import de from "../_locales/de/messages.json";
import en from "../_locales/en/messages.json";
import { inTable, speak } from "../src/text/messages";

speak(inTable(new URLSearchParams(location.search).get("lang") === "de" ? de : en));
