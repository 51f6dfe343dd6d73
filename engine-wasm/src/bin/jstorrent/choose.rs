//! Finds the file of a torrent that the user named.

use engine_wasm::view::FileView;

/// Why no file can be chosen. The texts are for people.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChoiceError {
    /// No file has this number or name.
    #[error("there is no file {0:?} in this torrent: `jstorrent info` shows what there is")]
    Unknown(String),
    /// Several files match.
    #[error(
        "{wanted:?} matches {count} files, such as {first:?} and {second:?}: give more of the \
         name, or the number"
    )]
    Ambiguous { wanted: String, count: usize, first: String, second: String },
    /// There is nothing to play.
    #[error("there is no video or audio file in this torrent: choose a file with --file")]
    NothingToPlay,
}

/// Returns the number of a file as printed to users: from one, in listing order.
pub(crate) fn number(files: &[FileView], file: &FileView) -> usize {
    files.iter().position(|other| other.index == file.index).map_or(0, |at| at + 1)
}

/// Returns the file with this number or name. Without one, the largest video or audio file.
///
/// # Errors
/// [`ChoiceError`].
pub(crate) fn choose<'a>(
    files: &'a [FileView],
    wanted: Option<&str>,
) -> Result<&'a FileView, ChoiceError> {
    match wanted {
        Some(wanted) => named(files, wanted),
        None => largest(files).ok_or(ChoiceError::NothingToPlay),
    }
}

fn named<'a>(files: &'a [FileView], wanted: &str) -> Result<&'a FileView, ChoiceError> {
    let with_number =
        wanted.parse::<usize>().ok().and_then(|number| files.get(number.checked_sub(1)?));
    if let Some(file) = with_number {
        return Ok(file);
    }
    let lower = wanted.to_lowercase();
    let tests: [&dyn Fn(&FileView) -> bool; 4] = [
        &|file| file.path == wanted,
        &|file| name(file) == wanted,
        &|file| name(file).to_lowercase().contains(&lower),
        &|file| file.path.to_lowercase().contains(&lower),
    ];
    for test in tests {
        let found: Vec<&FileView> = files.iter().filter(|file| test(file)).collect();
        match found[..] {
            [] => {}
            [file] => return Ok(file),
            [first, second, ..] => {
                let (first, second) = (first.path.clone(), second.path.clone());
                return Err(ChoiceError::Ambiguous {
                    wanted: wanted.to_owned(),
                    count: found.len(),
                    first,
                    second,
                });
            }
        }
    }
    Err(ChoiceError::Unknown(wanted.to_owned()))
}

fn name(file: &FileView) -> &str {
    file.path.rsplit('/').next().unwrap_or_default()
}

/// Returns the largest file; of several, the first.
fn largest(files: &[FileView]) -> Option<&FileView> {
    let films = files.iter().filter(|file| file.playable && file.length > 0);
    // Of equal elements, `max_by_key` returns the last.
    films.rev().max_by_key(|file| file.length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A torrent from a picture: `path:length`, separated by spaces.
    fn files(picture: &str) -> Vec<FileView> {
        (0..)
            .zip(picture.split(' '))
            .map(|(index, entry)| {
                let (path, length) = entry.split_once(':').unwrap();
                FileView::new(index, path.to_owned(), length.parse().unwrap())
            })
            .collect()
    }

    fn check(picture: &str, wanted: Option<&str>, expected: &str) {
        let files = files(picture);
        match choose(&files, wanted) {
            Ok(file) => assert_eq!(file.path, expected, "{picture} {wanted:?}"),
            Err(error) => {
                assert!(error.to_string().contains(expected), "{picture} {wanted:?}: {error}")
            }
        }
    }

    #[test]
    fn the_largest_film_is_the_default() {
        check("a/x.zip:900 a/film.mkv:500 a/sample.mp4:5", None, "a/film.mkv");
        check("a/1.mp3:7 a/2.mp3:7", None, "a/1.mp3");
        check("old.avi:9 new.mp4:1", None, "old.avi");
        check("old.avi:9 notes.txt:10", None, "old.avi");
        check("x.zip:9 empty.mp4:0", None, "no video or audio file");
    }

    #[test]
    fn a_file_is_chosen_by_number_or_by_name() {
        let show = "show/S01E01.mkv:5 show/S01E02.mkv:6 show/s01e02.srt:1 show/12.mkv:4";
        check(show, Some("1"), "show/S01E01.mkv");
        check(show, Some("4"), "show/12.mkv");
        check(show, Some("12.mkv"), "show/12.mkv");
        check(show, Some("12"), "show/12.mkv");
        check(show, Some("show/S01E02.mkv"), "show/S01E02.mkv");
        check(show, Some("e01"), "show/S01E01.mkv");
        check(show, Some("S01E02"), "2 files");
        check(show, Some("0"), "3 files");
        check(show, Some("9"), "there is no file \"9\"");
        check(show, Some("film"), "there is no file");
    }
}
