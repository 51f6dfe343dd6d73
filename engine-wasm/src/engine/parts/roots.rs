//! The download folders that the daemon knows, and the free space in them.

use shared_proto::{Root, RootKey};

use super::space::Space;

/// The download folders.
#[derive(Debug, Default)]
pub(crate) struct Roots {
    /// The folder for torrents whose user chose none. `None` without a connection to the daemon.
    default: Option<RootKey>,
    /// The folders that take new torrents; the first is the default.
    offered: Vec<Root>,
    /// Folders that hold torrents and take no new ones.
    aside: Vec<Root>,
    /// The free space.
    pub(crate) space: Space,
}

impl Roots {
    /// Handles a new connection to a daemon that offers these folders.
    pub(crate) fn link(&mut self, offered: Vec<Root>) {
        self.default = offered.first().map(|root| root.key.clone());
        self.offered = offered;
        self.aside.clear();
    }

    /// Handles the loss of the connection.
    pub(crate) fn unlink(&mut self) {
        self.default = None;
        self.space.unlink();
    }

    /// Returns whether a daemon is connected and offers a folder.
    pub(crate) fn is_linked(&self) -> bool {
        self.default.is_some()
    }

    /// Returns the folder for torrents whose user chose none.
    pub(crate) fn default_key(&self) -> Option<&RootKey> {
        self.default.as_ref()
    }

    /// Returns the folders that take new torrents.
    pub(crate) fn offered(&self) -> &[Root] {
        &self.offered
    }

    /// Returns the folders that hold torrents and take no new ones.
    pub(crate) fn aside(&self) -> &[Root] {
        &self.aside
    }

    /// Returns the key of a folder that takes new torrents.
    pub(crate) fn offered_key(&self, key: &str) -> Option<&RootKey> {
        self.offered.iter().map(|root| &root.key).find(|known| known.0 == key)
    }

    /// Returns a folder that holds torrents, whether or not it takes new ones.
    pub(crate) fn find(&self, key: &str) -> Option<&Root> {
        self.offered.iter().chain(&self.aside).find(|root| root.key.0 == key)
    }

    /// Replaces the folders that take new torrents. Folders that are dropped keep their files.
    pub(crate) fn offer(&mut self, offered: &[Root]) {
        self.default = offered.first().map(|root| root.key.clone()).or(self.default.take());
        let gone = std::mem::replace(&mut self.offered, offered.to_vec());
        self.aside.extend(gone);
        self.aside.retain(|aside| offered.iter().all(|root| root.key != aside.key));
    }

    /// Replaces the folders that hold torrents and take no new ones.
    pub(crate) fn set_aside(&mut self, aside: Vec<Root>) {
        self.aside = aside;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(key: &str) -> Root {
        Root { key: RootKey(key.into()), label: key.into(), path: String::new() }
    }

    #[test]
    fn a_dropped_folder_is_still_found_and_takes_no_new_torrent() {
        let mut roots = Roots::default();
        assert!(!roots.is_linked());
        roots.link(vec![root("a"), root("b")]);
        roots.offer(&[root("b"), root("c")]);
        assert_eq!(roots.default_key(), Some(&RootKey("b".into())));
        assert!(roots.find("a").is_some() && roots.offered_key("a").is_none());
        assert_eq!((roots.offered().len(), roots.aside().len()), (2, 1));
        roots.unlink();
        assert!(!roots.is_linked() && roots.find("b").is_some());
    }
}
