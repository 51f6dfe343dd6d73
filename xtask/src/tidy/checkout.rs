//! The files that the rules look at: what git tracks or would track, without what programs write.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::shell;

/// Kinds of files whose text the rules read.
const READ: &[&str] = &["rs", "ts", "mjs", "md"];
/// What programs write.
const WRITTEN: &[&str] = &["extension/src/model/generated/"];

/// The paths of a checkout, and the texts that the rules read. Paths are relative to the root, with
/// `/`.
#[derive(Debug, Default)]
pub(super) struct Checkout {
    paths: BTreeSet<String>,
    texts: BTreeMap<String, String>,
}

impl Checkout {
    /// Reads the files below a folder.
    ///
    /// # Errors
    /// The folder is no git checkout, or a file can't be read.
    pub(super) async fn read(root: &Path) -> Result<Self> {
        let mut git = shell::command("git");
        git.args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(root);
        let listed = shell::ask(&mut git, Duration::from_secs(30)).await;
        let mut checkout = Self::default();
        for path in listed.context("git does not list the files of the checkout")?.lines() {
            // git lists a deleted file until the deletion is staged.
            if !root.join(path).is_file() || WRITTEN.iter().any(|folder| path.starts_with(folder)) {
                continue;
            }
            if READ.contains(&extension(path)) {
                let text = std::fs::read_to_string(root.join(path)).context(path.to_owned())?;
                checkout.texts.insert(path.to_owned(), text);
            }
            checkout.paths.insert(path.to_owned());
        }
        Ok(checkout)
    }

    /// Files with one of these extensions, as path and text.
    pub(super) fn files(&self, extensions: &[&str]) -> impl Iterator<Item = (&str, &str)> {
        let files = self.texts.iter().filter(|(path, _)| extensions.contains(&extension(path)));
        files.map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The text of a file.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    /// Whether there is a file or folder of this path. The empty path is the root.
    pub(super) fn has(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        path.is_empty()
            || self.paths.contains(path)
            || self.paths.range(folder.clone()..).next().is_some_and(|it| it.starts_with(&folder))
    }

    /// A checkout made of these paths and texts.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let own = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        let texts: BTreeMap<_, _> = files.iter().map(own).collect();
        Self { paths: texts.keys().cloned().collect(), texts }
    }
}

/// What follows the last dot of a path.
pub(super) fn extension(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(_, extension)| extension)
}
