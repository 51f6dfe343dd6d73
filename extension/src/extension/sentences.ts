// Loads the extension's sentences from Chrome, in the browser's language.
//
// Each entry that shows sentences imports it first.

import { language, setSentences } from "../text/messages";

setSentences((name, values) => chrome.i18n.getMessage(name, values));
// The service worker has no document.
if ("document" in globalThis) document.documentElement.lang = language();
