//! Conditional requests (RFC 9110 §13): `If-Match`, `If-None-Match` and `If-Range`.
//!
//! Pure functions. A file has a strong entity tag and no modification date, because it changes
//! while it downloads. The date fields are therefore ignored, as §13.1.3 and §13.1.4 demand, and a
//! date in `If-Range` never matches (§13.1.5).

use headers::{ETag, HeaderMapExt as _, IfMatch, IfNoneMatch, IfRange};
use http::HeaderMap;

/// The result of a request's preconditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precondition {
    /// The request goes on.
    Holds,
    /// 304: the client has this version.
    NotModified,
    /// 412: the client wants another version.
    Failed,
}

/// Evaluates `If-Match` and `If-None-Match`, in the order of §13.2.2. `etag` is a strong tag
/// without its quotes. A malformed field matches no tag.
///
/// # Panics
/// When `etag` holds a character that no entity tag may hold. The desk refuses such announcements.
pub(crate) fn evaluate(headers: &HeaderMap, etag: &str) -> Precondition {
    let etag = tag(etag);
    match headers.typed_try_get::<IfMatch>() {
        Ok(Some(wanted)) if !wanted.precondition_passes(&etag) => return Precondition::Failed,
        Err(_) => return Precondition::Failed,
        Ok(_) => {}
    }
    match headers.typed_get::<IfNoneMatch>() {
        Some(held) if !held.precondition_passes(&etag) => Precondition::NotModified,
        _ => Precondition::Holds,
    }
}

/// Whether the request's `Range` counts. It does if `If-Range` is missing or names the strong tag
/// of this version.
///
/// # Panics
/// As [`evaluate`].
pub(crate) fn range_holds(headers: &HeaderMap, etag: &str) -> bool {
    match headers.typed_try_get::<IfRange>() {
        Ok(None) => true,
        Ok(Some(wanted)) => !wanted.is_modified(Some(&tag(etag)), None),
        Err(_) => false,
    }
}

/// The tag as a header value.
pub(crate) fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

fn tag(etag: &str) -> ETag {
    quoted(etag).parse().expect("the desk accepts plain entity tags only")
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
