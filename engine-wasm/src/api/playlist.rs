//! Writes playlists (extended M3U) of a torrent's media files.
//!
//! Names come from the torrent: a line break in a name must not become a line of the playlist.

use std::collections::HashMap;

use super::view;
use crate::media;
use crate::view::FileView;

/// The content type of a playlist.
pub(crate) const CONTENT_TYPE: &str = "audio/x-mpegurl; charset=utf-8";

/// Returns a playlist of all media files of a torrent, or of one file.
///
/// It contains titles, durations if known, and subtitles as VLC options. (VLC 3 reads subtitles
/// from local disks only and ignores URLs.) `base` starts each URL. `None` if the file does not
/// exist.
pub(crate) fn playlist(files: &[FileView], only: Option<u32>, base: &str) -> Option<String> {
    let named: HashMap<u32, &FileView> = files.iter().map(|file| (file.index, file)).collect();
    let mut list = String::from("#EXTM3U\n");
    // A single file may be of any type; the browser plays fewer types than VLC does.
    let is_meant = |file: &&FileView| {
        only.map_or_else(|| media::is_film(&file.path), |only| file.index == only)
    };
    let mut meant = files.iter().filter(is_meant).peekable();
    if only.is_some() {
        meant.peek()?;
    }
    for file in meant {
        let title: String = view::name_of(&file.path)
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let seconds = file.duration_s.map_or("-1".to_owned(), |seconds| format!("{seconds:.0}"));
        list.push_str(&format!("#EXTINF:{seconds},{title}\n"));
        // VLC uses the last of several options of the same name.
        for subtitle in
            file.subtitles.iter().rev().filter_map(|subtitle| named.get(&subtitle.index))
        {
            list.push_str(&format!("#EXTVLCOPT:sub-file={base}{}\n", subtitle.named_url()));
        }
        list.push_str(&format!("{}\n", view::stream_url(file, base)));
    }
    Some(list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::SubtitleView;

    fn file(index: u32, path: &str) -> FileView {
        FileView {
            url: format!("/stream/ab.{index}?key=k"),
            ..FileView::new(index, path.to_owned(), 1)
        }
    }

    #[test]
    fn a_film_has_its_title_its_length_and_its_subtitles() {
        let subtitle = |index| SubtitleView { index, language: None, title: String::new() };
        let film = FileView {
            duration_s: Some(61.5),
            subtitles: vec![subtitle(2), subtitle(1), subtitle(9)],
            ..file(0, "a/fi\nlm.mkv")
        };
        let files = [film, file(1, "a/film de.srt"), file(2, "a/film.srt"), file(3, "a/x.nfo")];
        let expected = "#EXTM3U\n#EXTINF:62,fi lm.mkv\n\
             #EXTVLCOPT:sub-file=http://h/stream/ab/a/film%20de.srt?key=k\n\
            #EXTVLCOPT:sub-file=http://h/stream/ab/a/film.srt?key=k\nhttp://h/stream/ab.0?key=k\n";
        assert_eq!(playlist(&files, None, "http://h").as_deref(), Some(expected));
        assert_eq!(playlist(&files, Some(0), "http://h").as_deref(), Some(expected));
        assert_eq!(playlist(&files, Some(4), "http://h"), None);
    }
}
