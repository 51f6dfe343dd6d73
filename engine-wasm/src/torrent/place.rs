//! Where a torrent lies: the folder, and what its files are called there.
//!
//! Owns the way from a file's own path to its path on disk; it touches no disk. Invariant: every component that it gives was made safe by
//! [`crate::metainfo::sanitise`], and no two files get the same path.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared_proto::RootKey;

/// Where a torrent lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The folder that the user chose.
    pub(crate) root: RootKey,
    /// The folders below it, from the outermost.
    pub(crate) folder: Vec<String>,
    /// What its file or folder is called there, where that is not its own name.
    pub(crate) name: Option<String>,
    /// What single files are called there, where that is not their own name.
    pub(crate) renamed: BTreeMap<u32, String>,
}

impl Place {
    /// Directly below a root, under this name or its own.
    pub(crate) fn new(root: RootKey, name: Option<String>) -> Self {
        Self { root, folder: Vec::new(), name, renamed: BTreeMap::new() }
    }

    /// The path of a file on disk, from its number and its own path in the torrent.
    pub(crate) fn path(&self, file: u32, own: &[String]) -> Vec<String> {
        let mut path = self.folder.clone();
        path.extend_from_slice(own);
        if let (Some(name), Some(top)) = (&self.name, path.get_mut(self.folder.len())) {
            top.clone_from(name);
        }
        if let (Some(name), Some(last)) = (self.renamed.get(&file), path.last_mut()) {
            last.clone_from(name);
        }
        path
    }

    /// What its file or folder is called, as [`crate::context::Shared::claim`] takes it.
    pub(crate) fn top(&self, own_top: &str) -> String {
        let mut top = self.folder.join("/");
        if !top.is_empty() {
            top.push('/');
        }
        top.push_str(self.name.as_deref().unwrap_or(own_top));
        top
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str) -> Vec<String> {
        path.split('/').map(str::to_owned).collect()
    }

    #[test]
    fn a_path_is_the_folder_the_new_top_and_the_new_name() {
        let mut place = Place::new("d".into(), None);
        assert_eq!(place.path(1, &names("Show/S1/a.mkv")), names("Show/S1/a.mkv"));
        place.name = Some("Show (2)".into());
        place.folder = names("films/new");
        place.renamed.insert(1, "first.mkv".into());
        assert_eq!(place.path(1, &names("Show/S1/a.mkv")), names("films/new/Show (2)/S1/first.mkv"));
        assert_eq!(place.path(2, &names("Show/S1/a.mkv")), names("films/new/Show (2)/S1/a.mkv"));
        assert_eq!(place.top("Show"), "films/new/Show (2)");
    }

    #[test]
    fn a_torrent_of_one_file_is_called_as_that_file() {
        let mut place = Place::new("d".into(), Some("film (2).mp4".into()));
        assert_eq!(place.path(0, &names("film.mp4")), names("film (2).mp4"));
        place.renamed.insert(0, "other.mp4".into());
        assert_eq!(place.path(0, &names("film.mp4")), names("other.mp4"));
    }
}
