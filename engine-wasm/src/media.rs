//! What a file is, by the extension of its name.
//!
//! Owns one table; it looks into no file. Nothing in it is a type that a browser would run.

/// Content type of what is not in the table.
pub const UNKNOWN: &str = "application/octet-stream";

/// Extension, content type, and whether a browser's player takes it.
const TYPES: &[(&str, &str, bool)] = &[
    ("mp4", "video/mp4", true),
    ("m4v", "video/mp4", true),
    ("mov", "video/quicktime", true),
    ("webm", "video/webm", true),
    ("mkv", "video/x-matroska", true),
    ("ogv", "video/ogg", true),
    ("3gp", "video/3gpp", true),
    ("avi", "video/x-msvideo", false),
    ("wmv", "video/x-ms-wmv", false),
    ("flv", "video/x-flv", false),
    ("mpg", "video/mpeg", false),
    ("mpeg", "video/mpeg", false),
    ("ts", "video/mp2t", false),
    ("m2ts", "video/mp2t", false),
    ("mp3", "audio/mpeg", true),
    ("m4a", "audio/mp4", true),
    ("m4b", "audio/mp4", true),
    ("aac", "audio/aac", true),
    ("flac", "audio/flac", true),
    ("ogg", "audio/ogg", true),
    ("oga", "audio/ogg", true),
    ("opus", "audio/ogg", true),
    ("wav", "audio/wav", true),
    ("weba", "audio/webm", true),
    ("mka", "audio/x-matroska", true),
    ("wma", "audio/x-ms-wma", false),
    ("ac3", "audio/ac3", false),
    ("vtt", "text/vtt", false),
    ("srt", "application/x-subrip", false),
    ("ass", "text/x-ssa", false),
    ("ssa", "text/x-ssa", false),
    ("jpg", "image/jpeg", false),
    ("jpeg", "image/jpeg", false),
    ("png", "image/png", false),
    ("gif", "image/gif", false),
    ("webp", "image/webp", false),
    ("txt", "text/plain; charset=utf-8", false),
    ("nfo", "text/plain; charset=utf-8", false),
    ("pdf", "application/pdf", false),
];

/// Extensions of subtitles.
const SUBTITLES: &[&str] = &["vtt", "srt", "ass", "ssa", "sub"];

/// The content type of a file of this name.
pub fn content_type(name: &str) -> &'static str {
    entry(name).map_or(UNKNOWN, |(_, content_type, _)| content_type)
}

/// Whether a browser's player takes a file of this name.
pub fn is_playable(name: &str) -> bool {
    entry(name).is_some_and(|(_, _, playable)| *playable)
}

/// Whether a file of this name is one to watch or to listen to, in whatever player.
pub fn is_film(name: &str) -> bool {
    let content_type = content_type(name);
    content_type.starts_with("video/") || content_type.starts_with("audio/")
}

/// Whether a file of this name holds subtitles.
pub fn is_subtitle(name: &str) -> bool {
    extension(name).is_some_and(|extension| SUBTITLES.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

fn entry(name: &str) -> Option<&'static (&'static str, &'static str, bool)> {
    let extension = extension(name)?;
    TYPES.iter().find(|(known, ..)| extension.eq_ignore_ascii_case(known))
}

/// What comes after the last dot of a name that has something before it.
fn extension(name: &str) -> Option<&str> {
    name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map(|(_, extension)| extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: &str, playable: bool) {
        assert_eq!((content_type(name), is_playable(name)), (expected, playable), "{name}");
    }

    #[test]
    fn the_last_extension_counts_in_any_case() {
        check("film.mp4", "video/mp4", true);
        check("Film.Part.2.MKV", "video/x-matroska", true);
        check("song.Opus", "audio/ogg", true);
        check("film.mp4.txt", "text/plain; charset=utf-8", false);
        check("old.avi", "video/x-msvideo", false);
    }

    #[test]
    fn what_is_not_known_is_bytes() {
        for name in ["", "film", ".mp4", "film.", "page.html", "image.svg", "x.js", "film.mp4 ", "é.é"] {
            check(name, UNKNOWN, false);
        }
    }

    #[test]
    fn subtitles_are_known() {
        assert!(is_subtitle("film.en.srt") && is_subtitle("a.VTT") && is_subtitle("a.sub"));
        assert!(!is_subtitle("srt") && !is_subtitle("film.mp4"));
    }

    #[test]
    fn no_extension_is_in_the_table_twice() {
        for (at, (extension, ..)) in TYPES.iter().enumerate() {
            assert!(TYPES[at + 1..].iter().all(|(other, ..)| other != extension), "{extension}");
        }
    }
}
