//! Percent-encoding, queries and hosts: the text of URLs.
//!
//! It knows no route. Decoding is strict: what is not UTF-8 after it, and a `%` without two hex
//! digits, is nothing.

/// A text without its percent-encoding; `None` when that is broken or what it hides is not UTF-8.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let [high, low] = [digits[0], digits[1]].map(|digit| char::from(digit).to_digit(16));
        bytes.push(u8::try_from(high? << 4 | low?).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

/// A path with its components percent-encoded (RFC 3986 §2.3), its slashes left as they are.
pub(crate) fn encode(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for &byte in path.as_bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' | b'/' => encoded.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => encoded.push(char::from(byte)),
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// The parameters of a query, decoded: `+` is a space, and one without `=` has an empty value.
/// `None` when one is broken.
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

/// What URLs in an answer begin with: the scheme and the host that was asked, or nothing when none
/// was named that could be one.
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
    fn what_is_encoded_is_decoded_once() {
        for (text, expected) in
            [("a%20b/%C3%BC", "a b/ü"), ("%252F", "%2F"), ("a+b", "a+b"), ("", "")]
        {
            assert_eq!(decode(text).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_was_encoded_is_decoded_to_the_same() {
        assert_eq!(encode("a b/ü#?.srt"), "a%20b/%C3%BC%23%3F.srt");
        let all: String = (1..0x300).filter_map(char::from_u32).collect();
        assert_eq!(decode(&encode(&all)), Some(all));
    }

    #[test]
    fn broken_encoding_is_nothing() {
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
    fn only_what_can_be_a_host_gets_into_urls() {
        assert_eq!(base("127.0.0.1:3000"), "http://127.0.0.1:3000");
        assert_eq!(base("[::1]:80"), "http://[::1]:80");
        for bad in ["", "a b", "x/../", "evil\r\nx: y", "a@b", "a\"b", &"a".repeat(300)] {
            assert_eq!(base(bad), "", "{bad:?}");
        }
    }
}
