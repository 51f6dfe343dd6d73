//! Classifies files by the extension of their names.
//!
//! This module owns the table of content types; a browser executes none of them.
//! [`container_index`] reads the contents of media files.

pub mod container_index;

/// The content type of files that are not in the table.
pub(crate) const UNKNOWN: &str = "application/octet-stream";

/// Extensions and content types.
const TYPES: &[(&str, &str)] = &[
    ("mp4", "video/mp4"),
    ("m4v", "video/mp4"),
    ("f4v", "video/mp4"),
    ("mov", "video/quicktime"),
    ("webm", "video/webm"),
    ("mkv", "video/x-matroska"),
    ("mk3d", "video/x-matroska"),
    ("ogv", "video/ogg"),
    ("ogm", "video/ogg"),
    ("3gp", "video/3gpp"),
    ("3g2", "video/3gpp2"),
    ("avi", "video/x-msvideo"),
    ("divx", "video/x-msvideo"),
    ("wmv", "video/x-ms-wmv"),
    ("asf", "video/x-ms-asf"),
    ("flv", "video/x-flv"),
    ("mpg", "video/mpeg"),
    ("mpeg", "video/mpeg"),
    ("mpe", "video/mpeg"),
    ("m2v", "video/mpeg"),
    ("vob", "video/mpeg"),
    ("ts", "video/mp2t"),
    ("m2ts", "video/mp2t"),
    ("mts", "video/mp2t"),
    ("m2t", "video/mp2t"),
    ("rm", "video/vnd.rn-realvideo"),
    ("rmvb", "video/vnd.rn-realvideo"),
    ("mp3", "audio/mpeg"),
    ("m4a", "audio/mp4"),
    ("m4b", "audio/mp4"),
    ("aac", "audio/aac"),
    ("flac", "audio/flac"),
    ("ogg", "audio/ogg"),
    ("oga", "audio/ogg"),
    ("opus", "audio/ogg"),
    ("wav", "audio/wav"),
    ("weba", "audio/webm"),
    ("mka", "audio/x-matroska"),
    ("wma", "audio/x-ms-wma"),
    ("ac3", "audio/ac3"),
    ("eac3", "audio/eac3"),
    ("dts", "audio/vnd.dts"),
    ("aif", "audio/aiff"),
    ("aiff", "audio/aiff"),
    ("ape", "audio/x-ape"),
    ("wv", "audio/x-wavpack"),
    ("vtt", "text/vtt"),
    ("srt", "application/x-subrip"),
    ("ass", "text/x-ssa"),
    ("ssa", "text/x-ssa"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("png", "image/png"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("pdf", "application/pdf"),
    ("txt", "text/plain; charset=utf-8"),
    ("nfo", "text/plain; charset=utf-8"),
];

/// Extensions of text subtitles.
const SUBTITLES: &[&str] = &["vtt", "srt", "ass", "ssa"];

/// Returns the content type for a file name.
pub fn content_type(name: &str) -> &'static str {
    entry(name).map_or(UNKNOWN, |(_, content_type)| content_type)
}

/// Returns whether the name is that of a video or audio file.
pub fn is_film(name: &str) -> bool {
    is_video(name) || content_type(name).starts_with("audio/")
}

/// Returns whether the name is that of a video file.
pub(crate) fn is_video(name: &str) -> bool {
    content_type(name).starts_with("video/")
}

/// Returns whether the name is that of a text subtitle file.
pub(crate) fn is_subtitle(name: &str) -> bool {
    extension(name).is_some_and(|extension| {
        SUBTITLES.iter().any(|known| extension.eq_ignore_ascii_case(known))
    })
}

fn entry(name: &str) -> Option<&'static (&'static str, &'static str)> {
    let extension = extension(name)?;
    TYPES.iter().find(|(known, _)| extension.eq_ignore_ascii_case(known))
}

/// Returns the part after the last dot. `None` for a name that starts with its only dot.
fn extension(name: &str) -> Option<&str> {
    name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map(|(_, extension)| extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: &str, film: bool) {
        assert_eq!((content_type(name), is_film(name)), (expected, film), "{name}");
    }

    #[test]
    fn the_last_extension_counts_in_any_case() {
        check("film.mp4", "video/mp4", true);
        check("Film.Part.2.MKV", "video/x-matroska", true);
        check("song.Opus", "audio/ogg", true);
        check("film.mp4.txt", "text/plain; charset=utf-8", false);
        check("old.avi", "video/x-msvideo", true);
        check("taped.TS", "video/mp2t", true);
        check("sound.ac3", "audio/ac3", true);
    }

    #[test]
    fn unknown_extensions_are_octet_streams() {
        for name in
            ["", "film", ".mp4", "film.", "page.html", "image.svg", "x.js", "film.mp4 ", "é.é"]
        {
            check(name, UNKNOWN, false);
        }
    }

    #[test]
    fn subtitles_are_known() {
        assert!(is_subtitle("film.en.srt") && is_subtitle("a.VTT") && is_subtitle("a.ass"));
        assert!(!is_subtitle("srt") && !is_subtitle("pictures.sub") && !is_subtitle("film.mp4"));
    }

    #[test]
    fn no_extension_is_in_the_table_twice() {
        for (at, (extension, ..)) in TYPES.iter().enumerate() {
            assert!(TYPES[at + 1..].iter().all(|(other, ..)| other != extension), "{extension}");
        }
    }
}
