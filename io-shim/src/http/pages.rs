//! The built-in pages of the server: files that are compiled into the program.
//!
//! The pages hold no secret, so they need no token. The calls that they make need it. Must never
//! know what the pages show.

use http::header::{self, HeaderValue};
use http::{HeaderMap, StatusCode};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::http::replies::{Answer, bytes, plain};

/// The path that `/` redirects to.
pub(crate) const FRONT: &str = "/page/app.html";

/// The page below `/page/` that asks a person without the token for it.
const DOOR: &str = "token.html";

/// The pages' policy. They run their own code, WebAssembly included, and talk to this daemon only.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; \
    style-src 'self'; img-src 'self' data: blob:; font-src 'self' data:; media-src 'self' blob:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A debug build reads the files from the folder each time.
#[derive(RustEmbed)]
#[folder = "../extension/dist-server"]
#[allow_missing = true]
struct Files;

/// Answers with the file of this path below `/page/`.
pub(crate) fn page(path: &str, headers: &HeaderMap) -> Answer {
    let Some(file) = Files::get(path) else {
        let words = if Files::iter().next().is_some() {
            "nothing is here"
        } else {
            "this program was built without its pages"
        };
        return plain(StatusCode::NOT_FOUND, words);
    };
    let tag = tag(&file);
    let is_known = headers.get_all(header::IF_NONE_MATCH).iter().any(|known| *known == tag);
    let (status, data) = if is_known {
        (StatusCode::NOT_MODIFIED, Vec::new())
    } else {
        (StatusCode::OK, file.data.into_owned())
    };
    let mut answer = bytes(status, content_type(path), data);
    let headers = answer.headers_mut();
    headers.insert(header::ETAG, tag);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    // A page's address may hold the token, which no other server may learn.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    answer
}

/// The page that asks for the token. `None` if the program was built without pages.
pub(crate) fn door() -> Option<Answer> {
    let mut answer = Files::get(DOOR).is_some().then(|| page(DOOR, &HeaderMap::new()))?;
    *answer.status_mut() = StatusCode::UNAUTHORIZED;
    let headers = answer.headers_mut();
    headers.remove(header::ETAG);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    Some(answer)
}

/// Whether a browser asks for a page, rather than a program for data.
pub(crate) fn is_for_a_person(headers: &HeaderMap) -> bool {
    let says = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match says("sec-fetch-mode") {
        Some(mode) => mode == "navigate",
        // Browsers do not send `Sec-Fetch-Mode` to origins that they do not trust.
        None => says("accept").is_some_and(|types| types.contains("text/html")),
    }
}

/// An entity tag made from the file's content.
fn tag(file: &EmbeddedFile) -> HeaderValue {
    let digest = data_encoding::HEXLOWER.encode(&file.metadata.sha256_hash()[..12]);
    HeaderValue::from_str(&format!("\"{digest}\"")).expect("hex digits are visible ASCII")
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "wasm" => "application/wasm",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_get_data_and_people_get_a_page() {
        let check = |lines: &[(&'static str, &'static str)]| {
            let headers = lines.iter().map(|(name, value)| {
                (header::HeaderName::from_static(name), HeaderValue::from_static(value))
            });
            is_for_a_person(&headers.collect())
        };
        assert!(check(&[("sec-fetch-mode", "navigate"), ("accept", "text/html,*/*;q=0.8")]));
        assert!(check(&[("accept", "text/html,application/xhtml+xml,*/*;q=0.8")]));
        for program in [&[("accept", "*/*")] as &[_], &[], &[("accept", "application/json")]] {
            assert!(!check(program), "{program:?}");
        }
        assert!(
            !check(&[("sec-fetch-mode", "cors"), ("accept", "text/html")]),
            "a page's call is none"
        );
    }

    #[test]
    fn what_is_not_among_them_is_not_read_from_anywhere() {
        for path in [
            "",
            "nothing.js",
            "../Cargo.toml",
            "../../Cargo.toml",
            "/etc/passwd",
            "./../src/lib.rs",
        ] {
            assert_eq!(page(path, &HeaderMap::new()).status(), StatusCode::NOT_FOUND, "{path}");
        }
    }
}
