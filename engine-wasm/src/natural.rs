//! Natural sort order: numbers in names sort by value, and case does not matter.
//!
//! Views, answers, playlists and the terminal all sort files with it.

use std::cmp::Ordering;

/// Compares paths in natural order, component by component.
///
/// Digits compare by value and letters without case. Paths that are equal otherwise compare by
/// bytes.
pub fn natural(a: &[String], b: &[String]) -> Ordering {
    let parts = a.iter().zip(b).map(|(a, b)| component(a, b)).find(|order| order.is_ne());
    parts.unwrap_or_else(|| a.len().cmp(&b.len())).then_with(|| a.cmp(b))
}

fn component(mut a: &str, mut b: &str) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    loop {
        let order = match (a.chars().next(), b.chars().next()) {
            (None, None) => return Ordering::Equal,
            (Some(first), Some(second)) if first.is_ascii_digit() && second.is_ascii_digit() => {
                let (number_a, number_b);
                (number_a, a) = number(a);
                (number_b, b) = number(b);
                // The number with fewer digits is smaller, not counting leading zeros.
                number_a.len().cmp(&number_b.len()).then_with(|| number_a.cmp(number_b))
            }
            (first, second) => {
                a = &a[first.map_or(0, char::len_utf8)..];
                b = &b[second.map_or(0, char::len_utf8)..];
                first.map(lower).cmp(&second.map(lower))
            }
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn lower(letter: char) -> char {
    if letter.is_ascii() {
        letter.to_ascii_lowercase()
    } else {
        letter.to_lowercase().next().unwrap_or(letter)
    }
}

/// Splits off the leading digits, without leading zeros. Returns them and the rest of the text.
fn number(text: &str) -> (&str, &str) {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    (text[..end].trim_start_matches('0'), &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_natural_order() {
        let ordered = [
            "Season 1/Episode 1.mkv",
            "Season 1/Episode 2.mkv",
            "season 1/episode 10.mkv",
            "Season 2/Episode 1.mkv",
            "Season 10/Episode 1.mkv",
            "show.s01e02.mkv",
            "show.s01e010.mkv",
            "Ärger.mkv",
        ];
        let paths = ordered.map(|path| path.split('/').map(str::to_owned).collect::<Vec<_>>());
        for (at, path) in paths.iter().enumerate() {
            for (other_at, other) in paths.iter().enumerate() {
                assert_eq!(natural(path, other), at.cmp(&other_at), "{path:?} {other:?}");
            }
        }
    }

    #[test]
    fn numbers_of_any_length_have_an_order() {
        let path = |name: &str| vec![name.to_owned()];
        assert_eq!(
            natural(&path(&"9".repeat(400)), &path(&format!("1{}", "0".repeat(400)))),
            Ordering::Less
        );
        assert_eq!(
            natural(&path("a1"), &path("a01")),
            "a1".cmp("a01"),
            "the same number, another name"
        );
        assert_eq!(natural(&path("a"), &path("a")), Ordering::Equal);
        assert_eq!(natural(&[], &path("a")), Ordering::Less);
    }
}
