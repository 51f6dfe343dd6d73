//! The place of a torrent: its folder, and the names of its files there.
//!
//! Maps a file's own path to its path on the disk; it touches no disk. Invariant: every component
//! that it returns was sanitised by [`crate::metainfo::sanitise`]. Two files may get the same path
//! on a disk that ignores case, or after names were shortened. The second one then finds its name
//! taken when it is created, and gets a number.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared_proto::RootKey;

use super::order::Location;
use crate::geometry::FileIndex;
use crate::metainfo::{File, sanitise};
use crate::torrent::content::Content;

/// Longest component under [`Names::Short`], in bytes: encrypted disks accept 143.
const SHORT: usize = 140;

/// How far names may differ from those in the torrent. The next step is taken when the disk refuses
/// the names of the previous one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Names {
    /// Names as in the torrent.
    #[default]
    AsNamed,
    /// Without characters that any system refuses.
    Safe,
    /// Safe and short.
    Short,
}

impl Names {
    /// The next step, if there is one.
    pub(crate) fn tamer(self) -> Option<Self> {
        match self {
            Self::AsNamed => Some(Self::Safe),
            Self::Safe => Some(Self::Short),
            Self::Short => None,
        }
    }
}

/// The place of a torrent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The download folder.
    pub(crate) root: RootKey,
    /// The folders below it, outermost first.
    pub(crate) folder: Vec<String>,
    /// The name of the torrent's file or folder there. `None` if it is the torrent's own name.
    pub(crate) name: Option<String>,
    /// The names of single files there, if they differ from their own names.
    pub(crate) renamed: BTreeMap<u32, String>,
    /// How far the other names differ from those in the torrent.
    pub(crate) names: Names,
}

impl Place {
    /// A place directly below a root, under this name or the torrent's own.
    pub(crate) fn new(root: RootKey, name: Option<String>) -> Self {
        Self { root, folder: Vec::new(), name, renamed: BTreeMap::new(), names: Names::default() }
    }

    /// The path of a file on the disk, given its index in the torrent.
    pub(crate) fn path(&self, file: u32, meta: &File) -> Vec<String> {
        let own = match (self.names, &meta.safe_path) {
            (Names::Safe | Names::Short, Some(safe)) => safe,
            _ => &meta.path,
        };
        let mut path = self.folder.clone();
        let last = own.len().saturating_sub(1);
        path.extend(own.iter().enumerate().map(|(at, name)| match self.names {
            Names::Short => sanitise::shortened(name, SHORT, at == last),
            Names::AsNamed | Names::Safe => name.clone(),
        }));
        if let (Some(name), Some(top)) = (&self.name, path.get_mut(self.folder.len())) {
            top.clone_from(name);
        }
        if let (Some(name), Some(last)) = (self.renamed.get(&file), path.last_mut()) {
            last.clone_from(name);
        }
        path
    }

    /// The location of a file of a torrent at this place.
    pub(super) fn location(&self, file: FileIndex, content: &Content) -> Location {
        let path = self.path(file.get(), &content.meta.files[file.as_usize()]);
        Location { root: self.root.clone(), path }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str) -> Vec<String> {
        path.split('/').map(str::to_owned).collect()
    }

    fn file(path: &str, safe: Option<&str>) -> File {
        File {
            path: names(path),
            safe_path: safe.map(names),
            length: 1,
            padding: false,
            root: None,
        }
    }

    #[test]
    fn names_are_changed_only_as_far_as_the_disk_requires() {
        let long = format!("{}.mkv", "é".repeat(120));
        let it = file(&format!("a: b/{long}"), Some(&format!("a_ b/{long}")));
        let mut place = Place::new("d".into(), None);
        assert_eq!(place.path(0, &it), ["a: b", &long]);
        place.names = place.names.tamer().unwrap();
        assert_eq!(place.path(0, &it), ["a_ b", &long]);
        place.names = place.names.tamer().unwrap();
        assert_eq!(place.path(0, &it), ["a_ b".to_owned(), format!("{}.mkv", "é".repeat(68))]);
        assert_eq!(place.names.tamer(), None);
    }

    #[test]
    fn a_path_consists_of_folder_top_name_and_file_name() {
        let mut place = Place::new("d".into(), None);
        let it = file("Show/S1/a.mkv", None);
        assert_eq!(place.path(1, &it), names("Show/S1/a.mkv"));
        place.name = Some("Show (2)".into());
        place.folder = names("films/new");
        place.renamed.insert(1, "first.mkv".into());
        assert_eq!(place.path(1, &it), names("films/new/Show (2)/S1/first.mkv"));
        assert_eq!(place.path(2, &it), names("films/new/Show (2)/S1/a.mkv"));
    }

    #[test]
    fn a_single_file_torrent_has_the_name_of_its_file() {
        let mut place = Place::new("d".into(), Some("film (2).mp4".into()));
        let it = file("film.mp4", None);
        assert_eq!(place.path(0, &it), names("film (2).mp4"));
        place.renamed.insert(0, "other.mp4".into());
        assert_eq!(place.path(0, &it), names("other.mp4"));
    }
}
