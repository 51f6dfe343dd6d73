//! Preconditions (RFC 9110 §13): whether a request may go ahead, and whether its `Range` still
//! holds.
//!
//! Pure. Files here have a strong entity tag and no modification date (they change while they
//! download), so the date fields are ignored, as §13.1.3 and §13.1.4 demand, and a date in
//! `If-Range` never matches (§13.1.5).

use http::HeaderMap;
use http::header::{IF_MATCH, IF_NONE_MATCH, IF_RANGE};

/// What the preconditions of a `GET` or `HEAD` lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Go ahead.
    Holds,
    /// 304: the client has it already.
    NotModified,
    /// 412: the client wanted another version.
    Failed,
}

/// Evaluates `If-Match` and `If-None-Match`, in the order of §13.2.2. `etag` comes without quotes.
pub fn evaluate(headers: &HeaderMap, etag: &str) -> Precondition {
    if headers.contains_key(IF_MATCH) && !any_matches(headers, IF_MATCH, etag, Comparison::Strong) {
        return Precondition::Failed;
    }
    if headers.contains_key(IF_NONE_MATCH)
        && any_matches(headers, IF_NONE_MATCH, etag, Comparison::Weak)
    {
        return Precondition::NotModified;
    }
    Precondition::Holds
}

/// Whether a `Range` of the same request is to be honoured: no `If-Range`, or one with the strong
/// tag of this version.
pub fn range_holds(headers: &HeaderMap, etag: &str) -> bool {
    headers.get(IF_RANGE).is_none_or(|value| value.as_bytes() == quoted(etag).as_bytes())
}

/// The tag as it stands in a header.
pub fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

#[derive(Clone, Copy, PartialEq)]
enum Comparison {
    Strong,
    Weak,
}

fn any_matches(headers: &HeaderMap, name: http::HeaderName, etag: &str, how: Comparison) -> bool {
    headers.get_all(name).iter().any(|value| list_matches(value.as_bytes(), etag.as_bytes(), how))
}

/// Walks `"a", W/"b"`; what is not well formed ends the walk, so that a comma inside a tag cannot
/// mislead it.
fn list_matches(list: &[u8], etag: &[u8], how: Comparison) -> bool {
    if list.trim_ascii() == b"*" {
        return true;
    }
    let mut rest = list;
    loop {
        while let [b' ' | b'\t' | b',', tail @ ..] = rest {
            rest = tail;
        }
        let (weak, opening) = match rest.strip_prefix(b"W/") {
            Some(tail) => (true, tail),
            None => (false, rest),
        };
        let Some(inner) = opening.strip_prefix(b"\"") else { return false };
        let Some(close) = inner.iter().position(|&b| b == b'"') else { return false };
        if &inner[..close] == etag && !(weak && how == Comparison::Strong) {
            return true;
        }
        rest = &inner[close + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[track_caller]
    fn check(lines: &[(&'static str, &'static str)], expected: Precondition) {
        assert_eq!(evaluate(&headers(lines), "v1"), expected, "{lines:?}");
    }

    #[test]
    fn if_none_match_compares_weakly() {
        check(&[], Precondition::Holds);
        check(&[("if-none-match", "\"v1\"")], Precondition::NotModified);
        check(&[("if-none-match", "W/\"v1\"")], Precondition::NotModified);
        check(&[("if-none-match", "\"v0\", \"v1\"")], Precondition::NotModified);
        check(&[("if-none-match", "\"v0\",W/\"v1\" ")], Precondition::NotModified);
        check(&[("if-none-match", "*")], Precondition::NotModified);
        check(&[("if-none-match", "\"v2\"")], Precondition::Holds);
        check(&[("if-none-match", "\"x,\\\"v1\"")], Precondition::Holds);
        check(&[("if-none-match", "v1")], Precondition::Holds);
        check(&[("if-none-match", "")], Precondition::Holds);
    }

    #[test]
    fn if_match_compares_strongly_and_comes_first() {
        check(&[("if-match", "\"v1\"")], Precondition::Holds);
        check(&[("if-match", "*")], Precondition::Holds);
        check(&[("if-match", "W/\"v1\"")], Precondition::Failed);
        check(&[("if-match", "\"v0\"")], Precondition::Failed);
        check(&[("if-match", "\"v0\""), ("if-none-match", "\"v1\"")], Precondition::Failed);
        check(&[("if-match", "\"v1\""), ("if-none-match", "\"v1\"")], Precondition::NotModified);
    }

    #[test]
    fn several_lines_are_one_list() {
        let mut map = headers(&[("if-none-match", "\"v0\"")]);
        map.append("if-none-match", "\"v1\"".parse().unwrap());
        assert_eq!(evaluate(&map, "v1"), Precondition::NotModified);
    }

    #[test]
    fn if_range_honours_only_this_versions_strong_tag() {
        for (value, holds) in [
            ("\"v1\"", true),
            ("\"v0\"", false),
            ("W/\"v1\"", false),
            ("v1", false),
            ("*", false),
            ("Sat, 29 Oct 1994 19:43:31 GMT", false),
        ] {
            assert_eq!(range_holds(&headers(&[("if-range", value)]), "v1"), holds, "{value}");
        }
        assert!(range_holds(&headers(&[]), "v1"));
    }
}
