//! The opening handshake of a WebSocket, on the server's side (RFC 6455 §4.2).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Response, StatusCode, Version};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::http::replies::{Answer, Content, plain};

/// The only version of the protocol (RFC 6455 §4.1).
const VERSION: &str = "13";
/// Length of a nonce, bytes (RFC 6455 §4.1).
const NONCE_BYTES: usize = 16;
/// The reply 101 that opens a WebSocket, or a refusal (RFC 6455 §4.2).
pub(crate) fn handshake(method: &Method, version: Version, headers: &HeaderMap) -> Answer {
    if method != Method::GET {
        let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, "a WebSocket is opened with GET");
        refusal.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
        return refusal;
    }
    let asks = has_token(headers, &header::UPGRADE, "websocket")
        && has_token(headers, &header::CONNECTION, "upgrade");
    if version != Version::HTTP_11 || !asks {
        return upgrade_required("this is a WebSocket: ask for an upgrade");
    }
    if only(headers, &header::SEC_WEBSOCKET_VERSION)
        .is_none_or(|version| version.as_bytes() != VERSION.as_bytes())
    {
        return upgrade_required("this is a WebSocket of version 13");
    }
    let key = only(headers, &header::SEC_WEBSOCKET_KEY).filter(|key| is_nonce(key.as_bytes()));
    let Some(key) = key else {
        return plain(
            StatusCode::BAD_REQUEST,
            "Sec-WebSocket-Key is sixteen bytes in base64, once",
        );
    };
    let mut answer = Response::new(Content::Text(String::new()));
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let accept =
        HeaderValue::try_from(derive_accept_key(key.as_bytes())).expect("base64 is visible ASCII");
    let headers = answer.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    answer
}

/// The reply 426, which refuses an incomplete upgrade. The headers name what is missing (RFC 6455
/// §4.4, RFC 9110 §15.5.22).
fn upgrade_required(words: &str) -> Answer {
    let mut refusal = plain(StatusCode::UPGRADE_REQUIRED, words);
    let headers = refusal.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
    refusal
}

/// The value of a header that must occur once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// Whether the header's comma-separated list holds this word, in any case.
fn has_token(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    let words =
        headers.get_all(name).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    words.map(<[u8]>::trim_ascii).any(|word| word.eq_ignore_ascii_case(wanted.as_bytes()))
}

fn is_nonce(key: &[u8]) -> bool {
    BASE64_STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == NONCE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    const GOOD: [(&str, &str); 4] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    /// Expects this status for [`GOOD`] with some of its lines replaced.
    fn check(other: &[(&'static str, &'static str)], expected: u16) {
        let kept = GOOD.iter().filter(|(name, _)| other.iter().all(|(changed, _)| changed != name));
        let lines: Vec<_> =
            kept.chain(other).copied().filter(|(_, value)| !value.is_empty()).collect();
        let answer = handshake(&Method::GET, Version::HTTP_11, &headers(&lines));
        assert_eq!(answer.status(), expected, "{other:?}");
        if expected == 426 {
            assert_eq!(answer.headers()["sec-websocket-version"], "13");
            assert_eq!(answer.headers()["upgrade"], "websocket");
        }
    }

    #[test]
    fn a_handshake_is_taken_as_the_rfc_says() {
        let answer = handshake(&Method::GET, Version::HTTP_11, &headers(&GOOD));
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["sec-websocket-accept"].as_bytes()),
            (101, &b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="[..])
        );
        check(&[("connection", "UPGRADE")], 101);
    }

    #[test]
    fn what_is_no_handshake_is_told_what_is_missing() {
        for version in ["12", "14", "8", "", "13, 13"] {
            check(&[("sec-websocket-version", version)], 426);
        }
        check(&[("sec-websocket-version", "13"), ("sec-websocket-version", "13")], 426);
        check(&[("upgrade", "")], 426);
        check(&[("upgrade", "h2c")], 426);
        check(&[("connection", "close")], 426);
        for key in ["", "AAAA", "not base64", "dGhlIHNhbXBsZSBub25jZQ"] {
            check(&[("sec-websocket-key", key)], 400);
        }
        for (method, version, expected) in
            [(Method::POST, Version::HTTP_11, 405), (Method::GET, Version::HTTP_10, 426)]
        {
            let answer = handshake(&method, version, &headers(&GOOD));
            assert_eq!(answer.status(), expected, "{method} {version:?}");
        }
    }
}
