//! What is fetched before anybody watches: the beginning of a film, so that it is there when its viewer comes.

use std::cmp::Ordering;

use crate::geometry::{BlockIndex, FileIndex, Geometry, PieceIndex};
use crate::pick::piece_map::PieceState;
use crate::stream::desk::Ledger;
use crate::stream::viewer::Want;
use crate::time::Instant;

/// So many bytes of a film are fetched first: what a player reads before it shows a picture, and some seconds more.
const HEAD: u64 = 2 << 20;
/// And never more pieces than these.
const PIECES: u32 = 16;

/// The pieces that a film begins with and that are not there, in order. They come after all that viewers want.
pub(crate) fn wants(file: FileIndex, ledger: Ledger<'_>, now: Instant) -> impl Iterator<Item = Want> {
    let (first, last) = head(file, ledger.geometry).unwrap_or((1, 0));
    (first..=last).map(PieceIndex).filter(move |&piece| ledger.pieces.state(piece) != PieceState::Have).map(
        move |piece| {
            // Their order is that of the film: the deadline only says that there is no hurry.
            Want { piece, first: BlockIndex(0), deadline: now, idle: true, awaited: false }
        },
    )
}

/// The first and the last piece of a film's beginning.
fn head(file: FileIndex, geometry: &Geometry) -> Option<(u32, u32)> {
    let last = geometry.file_len(file).checked_sub(1)?;
    let pieces = geometry.pieces_of(file, 0, last.min(HEAD - 1))?;
    let (first, last) = (pieces.start().0, pieces.end().0);
    Some((first, last.min(first.saturating_add(PIECES - 1))))
}

/// How people order names: digits by their value, letters whatever their case, folders before what comes after them. Names that differ in nothing
/// else are ordered by their bytes.
pub(crate) fn natural(a: &[String], b: &[String]) -> Ordering {
    let parts = a.iter().zip(b).map(|(a, b)| component(a, b)).find(|order| order.is_ne());
    parts.unwrap_or_else(|| a.len().cmp(&b.len())).then_with(|| a.cmp(b))
}

fn component(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.chars().peekable(), b.chars().peekable());
    loop {
        let digits = [&mut a, &mut b].map(|chars| chars.peek().is_some_and(char::is_ascii_digit));
        let order = if digits == [true, true] {
            let (first, second) = (number(&mut a), number(&mut b));
            // The one of fewer digits is smaller, zeros in front left out.
            first.len().cmp(&second.len()).then_with(|| first.cmp(&second))
        } else {
            match (a.next(), b.next()) {
                (None, None) => return Ordering::Equal,
                (first, second) => first.map(lower).cmp(&second.map(lower)),
            }
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn lower(letter: char) -> char {
    letter.to_lowercase().next().unwrap_or(letter)
}

fn number(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    let mut digits = String::new();
    while let Some(digit) = chars.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    digits.trim_start_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ordered_as_people_do() {
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
        assert_eq!(natural(&path(&"9".repeat(400)), &path(&format!("1{}", "0".repeat(400)))), Ordering::Less);
        assert_eq!(natural(&path("a1"), &path("a01")), "a1".cmp("a01"), "the same number, another name");
        assert_eq!(natural(&path("a"), &path("a")), Ordering::Equal);
        assert_eq!(natural(&[], &path("a")), Ordering::Less);
    }
}
