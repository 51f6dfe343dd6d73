// Sets the language of the pages to English before each test file.

import en from "../_locales/en/messages.json";
import { inTable, speak } from "../src/text/messages";

speak(inTable(en));
