// Sets the language of the pages to English before each test file.

import en from "../_locales/en/messages.json";
import { inTable, setSentences } from "../src/text/messages";

setSentences(inTable(en));
