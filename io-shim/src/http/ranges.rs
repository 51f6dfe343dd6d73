//! The `Range` header (RFC 9110 §14.1, §14.2).
//!
//! Owns the decision which bytes of a file a header selects, given the file's length. Pure: it sees
//! no request, file or clock. It decides as nginx does, with one exception that §14.2 allows: a
//! malformed header is ignored (200) instead of refused (416), so that careless players work.
//!
//! Invariant: every range in the result is non-empty and lies inside the file; together they are no
//! longer than the file.

use crate::files::byte_range::ByteRange;

/// Most ranges in one header. A header with more gets the whole file; only attackers send that
/// many.
pub(crate) const MAX_RANGES: usize = 16;

/// What a `Range` header asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The whole file, 200: the header is ignored.
    Whole,
    /// One range, 206.
    One(ByteRange),
    /// Several ranges in the client's order: 206 `multipart/byteranges`.
    Many(Vec<ByteRange>),
    /// No range lies in the file: 416.
    Unsatisfiable,
}

/// Decides what `header` asks of a file of `length` bytes.
pub(crate) fn parse(header: &[u8], length: u64) -> Asked {
    let Some(specs) = strip_unit(header).and_then(specs) else { return Asked::Whole };
    let mut ranges = Vec::new();
    let mut total = Some(0u64);
    for spec in specs {
        match spec.resolve(length) {
            Resolved::Inside(range) => {
                total = total.and_then(|total| total.checked_add(range.count()));
                ranges.push(range);
            }
            Resolved::Outside => {}
            Resolved::EmptyFile => return Asked::Whole,
        }
    }
    match ranges.len() {
        0 => Asked::Unsatisfiable,
        // Overlapping ranges that add up to more than the file are an amplification attack. The
        // whole file is cheaper.
        _ if total.is_none_or(|total| total > length) || ranges.len() > MAX_RANGES => Asked::Whole,
        1 => Asked::One(ranges[0]),
        _ => Asked::Many(ranges),
    }
}

/// One element of the header, before the file's length is known.
#[derive(Clone, Copy)]
enum Spec {
    From(u64),
    FromTo(u64, u64),
    Last(u64),
}

enum Resolved {
    Inside(ByteRange),
    Outside,
    /// The file is empty and the range asks for its start. As in nginx, the whole file is sent.
    EmptyFile,
}

impl Spec {
    fn resolve(self, length: u64) -> Resolved {
        let start = match self {
            Self::From(start) | Self::FromTo(start, _) => start,
            Self::Last(count) => length.saturating_sub(count),
        };
        let Some(last) = length.checked_sub(1) else {
            return if start == 0 { Resolved::EmptyFile } else { Resolved::Outside };
        };
        let end = if let Self::FromTo(_, end) = self { end.min(last) } else { last };
        if start <= end { Resolved::Inside(ByteRange { start, end }) } else { Resolved::Outside }
    }
}

fn strip_unit(header: &[u8]) -> Option<&[u8]> {
    let (unit, rest) = header.split_at_checked(6)?;
    unit.eq_ignore_ascii_case(b"bytes=").then_some(rest)
}

/// Parses the elements. `None` if one is malformed: the whole header is then ignored.
fn specs(list: &[u8]) -> Option<Vec<Spec>> {
    let specs = list.split(|&b| b == b',').map(trim).filter(|s| !s.is_empty()).map(spec);
    let specs: Vec<Spec> = specs.collect::<Option<_>>()?;
    (!specs.is_empty()).then_some(specs)
}

fn spec(text: &[u8]) -> Option<Spec> {
    let dash = text.iter().position(|&b| b == b'-')?;
    let (first, last) = (trim(&text[..dash]), trim(&text[dash + 1..]));
    match (first.is_empty(), last.is_empty()) {
        (true, true) => None,
        (true, false) => Some(Spec::Last(number(last)?)),
        (false, true) => Some(Spec::From(number(first)?)),
        (false, false) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Spec::FromTo(first, last))
        }
    }
}

/// Parses digits. A number beyond `u64` is beyond every file and becomes `u64::MAX`.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |n, &b| {
        b.is_ascii_digit().then(|| n.saturating_mul(10).saturating_add(u64::from(b - b'0')))
    })
}

fn trim(text: &[u8]) -> &[u8] {
    let is_space = |b: &u8| matches!(b, b' ' | b'\t');
    let start = text.iter().position(|b| !is_space(b)).unwrap_or(text.len());
    let end = text.iter().rposition(|b| !is_space(b)).map_or(start, |last| last + 1);
    &text[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The result as one readable word: `whole`, `416`, or the ranges.
    fn show(asked: &Asked) -> String {
        let range = |r: &ByteRange| format!("{}-{}", r.start, r.end);
        match asked {
            Asked::Whole => "whole".into(),
            Asked::Unsatisfiable => "416".into(),
            Asked::One(r) => range(r),
            Asked::Many(rs) => rs.iter().map(range).collect::<Vec<_>>().join(" "),
        }
    }

    #[track_caller]
    fn check(length: u64, header: &str, expected: &str) {
        assert_eq!(
            show(&parse(header.as_bytes(), length)),
            expected,
            "Range: {header:?} of {length} bytes"
        );
    }

    #[test]
    fn a_single_range_is_clamped_to_the_file() {
        check(1000, "bytes=0-0", "0-0");
        check(1000, "bytes=0-499", "0-499");
        check(1000, "bytes=500-", "500-999");
        check(1000, "bytes=0-", "0-999");
        check(1000, "bytes=999-", "999-999");
        check(1000, "bytes=900-5000", "900-999");
        check(1000, "bytes=0-18446744073709551615", "0-999");
        check(1000, "bytes=0-99999999999999999999999", "0-999");
        check(1000, "BYTES=1-2", "1-2");
    }

    #[test]
    fn a_suffix_counts_from_the_end() {
        check(1000, "bytes=-1", "999-999");
        check(1000, "bytes=-500", "500-999");
        check(1000, "bytes=-1000", "0-999");
        check(1000, "bytes=-99999", "0-999");
        check(1000, "bytes=-0", "416");
    }

    #[test]
    fn a_range_beyond_the_file_is_unsatisfiable() {
        check(1000, "bytes=1000-", "416");
        check(1000, "bytes=1000-1001", "416");
        check(1000, "bytes=99999999999999999999999-", "416");
        check(1000, "bytes=1000-,-0", "416");
    }

    #[test]
    fn what_is_not_well_formed_is_ignored() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-b",
            "bytes=1",
            "bytes=1-2-3",
            "bytes=10-5",
            "bytes=--5",
            "items=0-5",
            "bytes 0-5",
            "bytes=0x1-5",
            "bytes=+1-5",
            "bytes=1-5;",
            "bytes=0-1,x",
            "bytes = 0-5",
            "bytes=1 2-5",
        ] {
            check(1000, header, "whole");
        }
    }

    #[test]
    fn spaces_and_empty_elements_are_tolerated() {
        check(1000, "bytes= 1-2 , 4-5", "1-2 4-5");
        check(1000, "bytes=1 - 2", "1-2");
        check(1000, "bytes=,1-2,,4-5,", "1-2 4-5");
    }

    #[test]
    fn several_ranges_keep_their_order() {
        check(1000, "bytes=500-599,0-99", "500-599 0-99");
        check(1000, "bytes=0-0,-1", "0-0 999-999");
        check(1000, "bytes=0-0,2000-3000", "0-0");
        check(1000, "bytes=2000-3000,5-6,7-8", "5-6 7-8");
    }

    #[test]
    fn ranges_that_add_up_to_more_than_the_file_get_the_file() {
        check(1000, "bytes=0-,0-", "whole");
        check(1000, "bytes=0-999,0-0", "whole");
        check(1000, "bytes=0-499,500-999", "0-499 500-999");
        check(1000, &format!("bytes={}", vec!["0-999"; 500].join(",")), "whole");
    }

    #[test]
    fn the_number_of_ranges_is_bounded() {
        let header = |n: u64| {
            format!("bytes={}", (0..n).map(|i| format!("{i}-{i}")).collect::<Vec<_>>().join(","))
        };
        assert!(
            matches!(parse(header(16).as_bytes(), 1000), Asked::Many(ranges) if ranges.len() == 16)
        );
        check(1000, &header(17), "whole");
    }

    #[test]
    fn the_beginning_of_an_empty_file_is_the_empty_file() {
        check(0, "bytes=0-", "whole");
        check(0, "bytes=0-0", "whole");
        check(0, "bytes=-5", "whole");
        check(0, "bytes=5-", "416");
        check(0, "bytes=5-9", "416");
    }

    #[test]
    fn the_longest_possible_file_does_not_overflow() {
        let length = u64::MAX;
        check(length, "bytes=0-", "0-18446744073709551614");
        check(length, "bytes=18446744073709551614-", "18446744073709551614-18446744073709551614");
        check(length, "bytes=18446744073709551615-", "416");
        check(length, "bytes=0-,0-", "whole");
    }

    #[test]
    fn a_range_is_cut_to_its_first_bytes() {
        let range = ByteRange { start: 10, end: 99 };
        assert_eq!(range.first(5), ByteRange { start: 10, end: 14 });
        assert_eq!(range.first(500), range);
        assert_eq!(range.first(0), ByteRange { start: 10, end: 10 });
        assert_eq!(range.first(u64::MAX), range);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_and_every_answer_lies_in_the_file(
            header in proptest::collection::vec(any::<u8>(), 0..64),
            length: u64,
        ) {
            let ranges = match parse(&header, length) {
                Asked::One(range) => vec![range],
                Asked::Many(ranges) => ranges,
                Asked::Whole | Asked::Unsatisfiable => vec![],
            };
            for range in ranges {
                prop_assert!(range.start <= range.end && range.end < length);
            }
        }

        #[test]
        fn a_well_formed_range_gets_the_bytes_that_a_naive_model_selects(
            length in 1u64..300,
            a in 0u64..400,
            b in 0u64..400,
            form in 0..3,
        ) {
            let (header, wanted): (String, Vec<u64>) = match form {
                0 => (format!("bytes={a}-"), (0..length).filter(|&i| i >= a).collect()),
                1 => (format!("bytes=-{a}"), (0..length).filter(|&i| i + a >= length).collect()),
                _ => {
                    let (from, to) = (a.min(b), a.max(b));
                    let selected = (0..length).filter(|&i| i >= from && i <= to).collect();
                    (format!("bytes={from}-{to}"), selected)
                }
            };
            let expected = match wanted.as_slice() {
                [] => Asked::Unsatisfiable,
                [one] => Asked::One(ByteRange { start: *one, end: *one }),
                [start, .., end] => Asked::One(ByteRange { start: *start, end: *end }),
            };
            prop_assert_eq!(parse(header.as_bytes(), length), expected);
        }
    }
}
