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
