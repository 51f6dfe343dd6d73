//! Percent-encoding of bytes in URLs (RFC 3986 §2.1).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

/// Every ASCII character that a URL component must escape: all but the unreserved ones (§2.3).
pub(crate) const COMPONENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same for a path, whose slashes stay.
pub(crate) const PATH: &AsciiSet = &COMPONENT.remove(b'/');

/// Appends bytes to a URL; escapes all but the unreserved characters.
pub(crate) fn percent_encode(bytes: &[u8], out: &mut String) {
    out.extend(percent_encoding::percent_encode(bytes, COMPONENT));
}

/// Encodes what a URL must not contain (RFC 3986 §2), including bytes that are not ASCII.
///
/// Escapes stay as they are. A `%` that begins no escape is itself escaped. Square brackets stay in
/// the host, where they enclose an IPv6 address.
pub(crate) fn encode_url(url: &[u8]) -> String {
    let after_scheme = url.windows(3).position(|part| part == b"://").map_or(0, |at| at + 3);
    let in_host = url[after_scheme..].iter().position(|byte| b"/?#".contains(byte));
    let path = in_host.map_or(url.len(), |length| after_scheme + length);
    let mut out = String::with_capacity(url.len());
    for (at, &byte) in url.iter().enumerate() {
        let is_fit = match byte {
            b'%' => {
                let digits = url.get(at + 1..at + 3);
                digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            }
            b'[' | b']' => at < path,
            b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' => false,
            _ => byte.is_ascii_graphic(),
        };
        if is_fit {
            out.push(char::from(byte));
        } else {
            out.push_str(percent_encoding::percent_encode_byte(byte));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unreserved_characters_stay_as_they_are() {
        let mut out = "x=".to_owned();
        percent_encode(b"aZ09-._~ /%\xff", &mut out);
        assert_eq!(out, "x=aZ09-._~%20%2F%25%FF");
    }

    #[test]
    fn what_a_url_must_not_contain_is_encoded_once() {
        let check = |url: &[u8], expected: &str| {
            assert_eq!(encode_url(url), expected);
            assert_eq!(encode_url(expected.as_bytes()), expected, "encoded again");
        };
        check(b"http://w/a film.mkv", "http://w/a%20film.mkv");
        check("http://w/für.mkv".as_bytes(), "http://w/f%C3%BCr.mkv");
        check(b"http://w/f\xfcr.mkv", "http://w/f%FCr.mkv");
        check(b"http://w/100% a%20b", "http://w/100%25%20a%20b");
        check(b"http://[::1]:8/[x] {y}|\"z\"", "http://[::1]:8/%5Bx%5D%20%7By%7D%7C%22z%22");
        check(b"HTTP://u:p@w?a=b&c=%zz#d", "HTTP://u:p@w?a=b&c=%25zz#d");
        check(b"http://w/\x7f\n", "http://w/%7F%0A");
        check(b"", "");
    }
}
