// The sentences of the extension as Chrome has them, in the language of the browser. The first
// import of each entry that shows any.

import { language, speak } from "../text/messages";

speak((name, values) => chrome.i18n.getMessage(name, values));
// The service worker has no document.
if ("document" in globalThis) document.documentElement.lang = language();
