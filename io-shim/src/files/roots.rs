//! The folders that the user chose, and the confinement beneath them.
//!
//! Owns the only use of ambient authority: opening a root. Everything else goes through the directory handle that comes
//! of it, which the operating system itself keeps from leading out. Invariant: no path that a stranger made up, and no
//! link on the disk, reaches a file outside the root it was named under.

use std::path::{Path, PathBuf};

use cap_std::{ambient_authority, fs::Dir};
use shared_proto::{
    Root, RootKey,
    io::{OpError, OpErrorKind},
    path::check_length,
};

use super::error::{from_io, op_error};

/// The folders that may be used, by key. The first is the default.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    entries: Vec<(Root, PathBuf)>,
}

impl Roots {
    /// Key, label in front of a person, and path of each.
    pub fn new(entries: Vec<(RootKey, String, PathBuf)>) -> Self {
        let entries = entries.into_iter().map(|(key, label, path)| (Root { key, label }, path)).collect();
        Self { entries }
    }

    /// What the engine is told of them.
    pub fn list(&self) -> Vec<Root> {
        self.entries.iter().map(|(root, _)| root.clone()).collect()
    }

    /// A handle to a root's folder, made first if it is to be created. It is opened anew each time, because the folder
    /// may be moved or its disk changed at any time.
    pub(crate) fn open(&self, key: &RootKey, create: bool) -> Result<Dir, OpError> {
        let path = self.path(key)?;
        if create {
            std::fs::create_dir_all(path).map_err(|error| from_io(&error))?;
        }
        Dir::open_ambient_dir(path, ambient_authority()).map_err(|error| from_io(&error))
    }

    /// A handle to a root's folder, `None` while there is no folder.
    pub(crate) fn open_if_there(&self, key: &RootKey) -> Result<Option<Dir>, OpError> {
        match Dir::open_ambient_dir(self.path(key)?, ambient_authority()) {
            Ok(dir) => Ok(Some(dir)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(from_io(&error)),
        }
    }

    fn path(&self, key: &RootKey) -> Result<&Path, OpError> {
        let found = self.entries.iter().find(|(root, _)| root.key == *key);
        found
            .map(|(_, path)| path.as_path())
            .ok_or_else(|| op_error(OpErrorKind::NotFound, "no such folder is configured"))
    }
}

/// The components as a relative path, if they are names and nothing else.
pub(crate) fn checked_path(components: &[String]) -> Result<PathBuf, OpError> {
    check_length(components).map_err(|why| op_error(OpErrorKind::Name, format!("the path is too long: {why}")))?;
    if components.is_empty() {
        return Err(op_error(OpErrorKind::Denied, "a path without a name is not allowed"));
    }
    if !components.iter().all(|name| is_name(name)) {
        return Err(op_error(OpErrorKind::Denied, "a name in the path is not allowed"));
    }
    Ok(components.iter().collect())
}

fn is_name(name: &str) -> bool {
    let separators: &[char] = if cfg!(windows) { &['/', '\0', '\\', ':'] } else { &['/', '\0'] };
    !name.is_empty() && name != "." && name != ".." && !name.contains(separators)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &[&str]) -> Option<OpErrorKind> {
        let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
        checked_path(&path).err().map(|error| error.kind)
    }

    fn check(path: &[&str], allowed: bool) {
        assert_eq!(refusal(path), (!allowed).then_some(OpErrorKind::Denied), "{path:?}");
    }

    #[test]
    fn plain_names_are_allowed_however_odd() {
        check(&["film.mkv"], true);
        check(&["a..b", "...", " ", "-rf", "~", "C:film", "ünï", "a\\b", "nul"], !cfg!(windows));
        check(&["..a", "a..", "...."], true);
    }

    #[test]
    fn what_is_not_a_name_is_refused() {
        for name in ["", ".", "..", "/", "/etc/passwd", "a/b", "a/../b", "../x", "a\0b", "\0"] {
            check(&[name], false);
            check(&["ok", name], false);
            check(&[name, "ok"], false);
        }
        check(&[], false);
    }

    #[test]
    fn lengths_are_bounded() {
        check(&[&"n".repeat(255)], true);
        check(&["d"; 64], true);
        check(&["n".repeat(255).as_str(); 16], true);
        let (longest, longer) = ("n".repeat(255), "n".repeat(256));
        let too_long: [&[&str]; 3] = [&[&longer], &["d"; 65], &[longest.as_str(); 17]];
        for path in too_long {
            assert_eq!(refusal(path), Some(OpErrorKind::Name), "{path:?}");
        }
    }
}
