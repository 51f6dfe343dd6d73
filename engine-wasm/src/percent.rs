//! Percent-encoding of bytes in URLs (RFC 3986 §2.1).

use std::fmt::Write;

/// Appends bytes to a URL, all but the unreserved characters of RFC 3986 §2.3 as `%XX`.
pub(crate) fn percent_encode(bytes: &[u8], out: &mut String) {
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string takes everything");
        }
    }
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
}
