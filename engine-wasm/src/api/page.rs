//! A small page for a person with a browser and no extension: it lists torrents, adds one, and plays it.
//!
//! One document without a second request, so that no part of it needs a token of its own. Its policy allows exactly its own style and script,
//! named by their digests, and talks to nobody but the server it came from.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::Reply;

const HTML: &str = include_str!("page/page.html");
/// What it shares with the extension's pages.
const BASE_CSS: &str = include_str!("../../../extension/src/ui/base.css");
const CSS: &str = include_str!("page/page.css");
const JS: &str = include_str!("page/page.js");

/// The page.
pub(crate) fn page() -> Reply {
    let style = format!("{BASE_CSS}\n{CSS}");
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {}; connect-src 'self'; media-src 'self'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        source(&style),
        source(JS)
    );
    let html = HTML.replace("/*style*/", &style).replace("/*script*/", JS);
    Reply::ok("text/html; charset=utf-8", html).with("content-security-policy", policy)
}

fn source(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}
