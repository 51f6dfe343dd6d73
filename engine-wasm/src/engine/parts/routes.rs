//! Which torrent a message of the daemon is about: by file, by request, by connection.

use std::collections::BTreeMap;

use shared_proto::{FileId, RequestId};

use crate::arrivals::Arrivals;
use crate::geometry::FileIndex;
use crate::metainfo::InfoHash;

/// The announced files, the requests of viewers, and connections that named no torrent yet.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    files: BTreeMap<FileId, (InfoHash, FileIndex)>,
    requests: BTreeMap<RequestId, InfoHash>,
    /// Incoming connections that named no torrent yet.
    pub(crate) arrivals: Arrivals,
}

impl Routes {
    /// Adds the files of a torrent.
    pub(crate) fn add_files(
        &mut self,
        info_hash: InfoHash,
        files: impl Iterator<Item = (FileIndex, FileId)>,
    ) {
        self.files.extend(files.map(|(file, id)| (id, (info_hash, file))));
    }

    /// Returns the torrent of a file, and the file's index in it.
    pub(crate) fn file(&self, id: &FileId) -> Option<(InfoHash, FileIndex)> {
        self.files.get(id).copied()
    }

    /// Adds a request for a file of this torrent.
    pub(crate) fn add_request(&mut self, id: RequestId, info_hash: InfoHash) {
        self.requests.insert(id, info_hash);
    }

    /// Returns the torrent of a request.
    pub(crate) fn request(&self, id: RequestId) -> Option<InfoHash> {
        self.requests.get(&id).copied()
    }

    /// Returns the number of requests.
    #[cfg(test)]
    pub(crate) fn open_requests(&self) -> usize {
        self.requests.len()
    }

    /// Removes a request that ended; returns its torrent.
    pub(crate) fn end_request(&mut self, id: RequestId) -> Option<InfoHash> {
        self.requests.remove(&id)
    }

    /// Removes the files and requests of a torrent.
    pub(crate) fn forget(&mut self, info_hash: InfoHash) {
        self.files.retain(|_, (owner, _)| *owner != info_hash);
        self.requests.retain(|_, owner| *owner != info_hash);
    }

    /// Forgets requests and connections after the connection to the daemon was lost.
    pub(crate) fn unlink(&mut self) {
        self.requests.clear();
        self.arrivals.clear();
    }
}
