//! An announced file, and the check of an announcement.

use shared_proto::{FileId, RootKey};

/// A file as the engine announced it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServedFile {
    /// The file's name in URLs.
    pub(crate) id: FileId,
    /// The root of its path.
    pub(crate) root: RootKey,
    /// Path below the root.
    pub(crate) path: Vec<String>,
    /// Full length, bytes.
    pub(crate) length: u64,
    /// `Content-Type` of replies.
    pub(crate) content_type: String,
    /// Strong entity tag without quotes.
    pub(crate) etag: String,
    /// The secret that its URLs carry.
    pub(crate) key: String,
}

impl ServedFile {
    /// Whether both announcements have the same bytes. A running reply may then go on. A strong
    /// entity tag says so (RFC 9110 §8.8.1), wherever the bytes are.
    pub(super) fn same_bytes(&self, other: &Self) -> bool {
        (self.length, &self.etag) == (other.length, &other.etag)
    }

    pub(super) fn check(&self) -> Result<(), Breach> {
        let etag_ok =
            self.etag.len() <= 256 && self.etag.bytes().all(|b| b.is_ascii_graphic() && b != b'"');
        match () {
            () if !self.id.is_valid() => {
                Err(Breach("file_announce: fileId is not a well-formed identifier"))
            }
            () if self.etag.is_empty() || !etag_ok => {
                Err(Breach("file_announce: etag is not a plain entity tag"))
            }
            () if self.key.is_empty() || self.key.len() > 256 => {
                Err(Breach("file_announce: key is empty or too long"))
            }
            () if i64::try_from(self.length).is_err() => {
                Err(Breach("file_announce: no file is that long"))
            }
            () if self.path.is_empty() => Err(Breach("file_announce: path is empty")),
            () => Ok(()),
        }
    }
}

/// A message that no correct engine sends; it closes the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Breach(pub &'static str);

#[cfg(test)]
mod tests {
    use super::*;

    fn film() -> ServedFile {
        ServedFile {
            id: FileId::from("film.0"),
            root: RootKey::from("downloads"),
            path: vec!["film.mp4".into()],
            length: 10,
            content_type: "video/mp4".into(),
            etag: "2f5a".into(),
            key: "c0ffee".into(),
        }
    }

    /// Whether an announcement with this change is accepted.
    fn is_accepted(change: impl FnOnce(&mut ServedFile)) -> bool {
        let mut file = film();
        change(&mut file);
        file.check().is_ok()
    }

    #[test]
    fn an_announcement_within_its_bounds_is_accepted() {
        assert!(is_accepted(|_| ()));
        assert!(is_accepted(|file| file.etag = "!~".repeat(128)));
        assert!(is_accepted(|file| file.key = "k".repeat(256)));
        assert!(is_accepted(|file| file.length = u64::MAX / 2));
        assert!(is_accepted(|file| file.length = 0));
    }

    #[test]
    fn an_announcement_beyond_its_bounds_is_a_breach() {
        assert!(!is_accepted(|file| file.id = FileId::from("a/b")));
        for etag in ["", "with space", "with\"quote", "\u{7f}", "ä", &"x".repeat(257)] {
            assert!(!is_accepted(|file| file.etag = etag.into()), "{etag}");
        }
        assert!(!is_accepted(|file| file.key = String::new()));
        assert!(!is_accepted(|file| file.key = "k".repeat(257)));
        assert!(!is_accepted(|file| file.length = u64::MAX / 2 + 1));
        assert!(!is_accepted(|file| file.path.clear()));
    }

    #[test]
    fn length_and_entity_tag_tell_the_same_bytes() {
        let change = |change: fn(&mut ServedFile)| {
            let mut file = film();
            change(&mut file);
            film().same_bytes(&file)
        };
        assert!(change(|file| file.path.push("elsewhere".into())));
        assert!(change(|file| file.key = "another".into()));
        assert!(!change(|file| file.etag = "2f5b".into()));
        assert!(!change(|file| file.length = 11));
    }
}
