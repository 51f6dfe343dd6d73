//! Resolves a name in a URL to a file of a torrent.
//!
//! A path names one file, with or without the torrent's own folder. A bare file name works if only
//! one file has it, in whatever folder. A number that is not a file name is a file index.

use super::error::{Choice, Code, Failure};
use super::{url, view};
use crate::metainfo::InfoHash;
use crate::view::{FileView, TorrentView};

/// Splits what follows `/stream/` into the torrent and the decoded name.
pub(crate) fn split(path: &str) -> Result<(InfoHash, String), Failure> {
    let malformed = |message: &str| Failure::new(Code::Malformed, message);
    let (hash, name) = path
        .split_once('/')
        .ok_or_else(|| malformed("name a file: /stream/<infoHash>/<fileName>"))?;
    let info_hash = hash.parse().map_err(|_| malformed("an info hash is 40 hex digits"))?;
    let name = url::decode(name)
        .ok_or_else(|| malformed("the file's name is not percent-encoded UTF-8"))?;
    Ok((info_hash, name))
}

/// Returns the file that a name refers to.
pub(crate) fn file<'a>(torrent: &'a TorrentView, name: &str) -> Result<&'a FileView, Failure> {
    let files = &torrent.files;
    let by = |fits: &dyn Fn(&FileView) -> bool| files.iter().find(|file| fits(file));
    if let Some(file) = by(&|file| file.path == name) {
        return Ok(file);
    }
    if name.contains('/') {
        let below_top =
            |file: &FileView| file.path.split_once('/').is_some_and(|(_, below)| below == name);
        return by(&below_top).ok_or_else(nothing);
    }
    let called: Vec<&FileView> =
        files.iter().filter(|file| view::name_of(&file.path) == name).collect();
    match called[..] {
        [file] => Ok(file),
        [] => {
            let index = name.parse::<u32>().ok().filter(|index| index.to_string() == name);
            by(&|file| Some(file.index) == index).ok_or_else(nothing)
        }
        _ => Err(Failure::ambiguous(name, called.into_iter().map(choice).collect())),
    }
}

fn choice(file: &FileView) -> Choice {
    Choice { index: file.index, path: file.path.clone() }
}

fn nothing() -> Failure {
    Failure::new(Code::NotFound, "this torrent has no such file")
}
