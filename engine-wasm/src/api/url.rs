//! Parses and writes parts of URLs: paths, queries and hosts.
//!
//! It knows no route. Decoding is strict: it refuses text that is not UTF-8 after decoding, and a
//! `%` without two hex digits.

use percent_encoding::{percent_decode_str, utf8_percent_encode};

use crate::percent::PATH;

/// Decodes percent-encoded text. `None` if an escape is malformed or the result is not UTF-8.
pub(crate) fn decode(text: &str) -> Option<String> {
    let is_escape = |after: &str| after.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    text.split('%').skip(1).all(is_escape).then(|| decoded.into_owned())
}

/// Percent-encodes the components of a path (RFC 3986 §2.3) and keeps its slashes.
pub(crate) fn encode(path: &str) -> String {
    utf8_percent_encode(path, PATH).to_string()
}

/// Parses the parameters of a query; `None` if one of them is malformed.
///
/// `+` means a space. A parameter without `=` has an empty value.
pub(crate) fn parameters(query: &str) -> Option<Vec<(String, String)>> {
    let text = |text: &str| decode(&text.replace('+', " "));
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((text(name)?, text(value)?))
        })
        .collect()
}

/// Returns the scheme and host for URLs in an answer. Both come from the request's `Host` header.
///
/// Empty if the header is missing or is not a valid host; the URLs are then relative.
pub(crate) fn base(host: &str) -> String {
    let is_host =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b':' | b'-' | b'[' | b']');
    match host {
        "" => String::new(),
        host if host.len() <= 255 && host.bytes().all(is_host) => format!("http://{host}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_happens_once() {
        for (text, expected) in
            [("a%20b/%C3%BC", "a b/ü"), ("%252F", "%2F"), ("a+b", "a+b"), ("", "")]
        {
            assert_eq!(decode(text).as_deref(), Some(expected));
        }
    }

    #[test]
    fn paths_round_trip() {
        assert_eq!(encode("a b/ü#?.srt"), "a%20b/%C3%BC%23%3F.srt");
        let all: String = (1..0x300).filter_map(char::from_u32).collect();
        assert_eq!(decode(&encode(&all)), Some(all));
    }

    #[test]
    fn malformed_encoding_is_refused() {
        for broken in ["%", "%1", "%zz", "%+1", "a%2", "%ff", "%c3%28", "%é1"] {
            assert_eq!(decode(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_query_is_read_in_its_order() {
        let read = |query: &str| parameters(query).map(|pairs| format!("{pairs:?}"));
        assert_eq!(read("a=1&&b=x+y%2B&c").unwrap(), r#"[("a", "1"), ("b", "x y+"), ("c", "")]"#);
        assert_eq!(read("").unwrap(), "[]");
        assert_eq!(read("a=%f"), None);
    }

    #[test]
    fn only_valid_hosts_get_into_urls() {
        assert_eq!(base("127.0.0.1:3000"), "http://127.0.0.1:3000");
        assert_eq!(base("[::1]:80"), "http://[::1]:80");
        for bad in ["", "a b", "x/../", "evil\r\nx: y", "a@b", "a\"b", &"a".repeat(300)] {
            assert_eq!(base(bad), "", "{bad:?}");
        }
    }
}
