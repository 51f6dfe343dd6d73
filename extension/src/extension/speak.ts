// The sentences of the pages as Chrome has them, in the language of the browser. The first import of each entry.

import { speak } from "../text/messages";

speak((name, values) => chrome.i18n.getMessage(name, values));
