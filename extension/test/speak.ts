// Before each test file: the pages speak English.

import en from "../_locales/en/messages.json";
import { inTable, speak } from "../src/text/messages";

speak(inTable(en));
