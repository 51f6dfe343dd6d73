//! A torrent as a playlist (extended M3U), for players.
//!
//! Owns its form only. Names are strangers' words: a line break in one must not become a line of the list.

use super::view;
use crate::media;
use crate::view::TorrentView;

/// What it is.
pub(crate) const CONTENT_TYPE: &str = "audio/x-mpegurl; charset=utf-8";

/// All films and all music of a torrent, in its order.
pub(crate) fn playlist(torrent: &TorrentView, base: &str) -> String {
    let mut list = String::from("#EXTM3U\n");
    // Players take more than browsers do.
    for file in torrent.files.iter().filter(|file| media::is_film(&file.path)) {
        let title: String = view::name_of(&file.path).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        list.push_str(&format!("#EXTINF:-1,{title}\n{}\n", view::stream_url(file, base)));
    }
    list
}
