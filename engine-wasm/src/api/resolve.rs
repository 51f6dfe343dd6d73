//! Which file of a torrent a name in a URL means.
//!
//! A path names one file, with or without the torrent's own folder. A bare name does if only one
//! file is called so, whatever folder it lies in. What is no name at all may be an index.

use super::error::{Choice, Code, Failure};
use super::{url, view};
use crate::metainfo::InfoHash;
use crate::view::{FileView, TorrentView};

/// What follows `/stream/`: a torrent, and a name that is still to be looked up.
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

/// The file that a name means.
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
