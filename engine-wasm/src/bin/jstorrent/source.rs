//! The torrent that the user named: a `.torrent` file, a magnet link, or a URL.
//!
//! Owns telling them apart and reading the file; downloads nothing.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use engine_wasm::limits;
use engine_wasm::metainfo::Metainfo;
use engine_wasm::metainfo::magnet::Magnet;
use sha1::{Digest as _, Sha1};

/// The torrent to stream, download or show.
#[derive(Debug)]
pub(crate) enum Source {
    /// A `.torrent` file.
    Torrent { bytes: Bytes, meta: Box<Metainfo> },
    /// A magnet link.
    Magnet { uri: String, link: Box<Magnet> },
    /// The URL of a `.torrent` file.
    Url { url: String },
}

impl Source {
    /// Parses the user's argument, and reads it if it is a file.
    ///
    /// # Errors
    /// It is none of the three, or the file is unreadable.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let starts_with = |prefix: &str| {
            text.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
        };
        if starts_with("magnet:") {
            let link = Magnet::parse(text).context("this is not a usable magnet link")?;
            return Ok(Self::Magnet { uri: text.to_owned(), link: Box::new(link) });
        }
        if starts_with("http://") || starts_with("https://") {
            return Ok(Self::Url { url: text.to_owned() });
        }
        let path = Path::new(text);
        if !path.exists() && text.contains("://") {
            bail!("{text}: only http and https addresses are supported");
        }
        Self::read(path)
    }

    fn read(path: &Path) -> Result<Self> {
        let name = path.display();
        let length = std::fs::metadata(path).with_context(|| format!("cannot read {name}"))?.len();
        if length > limits::METAINFO as u64 {
            bail!("{name} is larger than {} MiB: not a torrent file", limits::METAINFO >> 20);
        }
        let bytes =
            Bytes::from(std::fs::read(path).with_context(|| format!("cannot read {name}"))?);
        let meta = Metainfo::parse(&bytes)
            .with_context(|| format!("{name} is not a usable .torrent file"))?;
        Ok(Self::Torrent { bytes, meta: Box::new(meta) })
    }

    /// Returns the name of the state folder for this torrent and download folder. It is the same in
    /// every run.
    pub(crate) fn key(&self, dir: &Path) -> String {
        match self {
            Self::Torrent { meta, .. } => key_of(&meta.info_hash.to_string(), dir),
            Self::Magnet { link, .. } => key_of(&link.info_hash.to_string(), dir),
            Self::Url { url } => key_of(url, dir),
        }
    }
}

/// Returns the name of a state folder. `work` names the torrent or server, and `dir` is the
/// download folder.
pub(crate) fn key_of(work: &str, dir: &Path) -> String {
    let mut digest = Sha1::new();
    digest.update(work);
    digest.update([0]);
    digest.update(dir.as_os_str().as_encoded_bytes());
    HEXLOWER.encode(&digest.finalize()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A link to the torrent whose info hash is this byte, again and again.
    fn magnet(byte: &str, further: &str) -> String {
        format!("magnet:?xt=urn:btih:{}{further}", byte.repeat(20))
    }

    fn refused(text: &str) -> String {
        format!("{:#}", Source::parse(text).unwrap_err())
    }

    #[test]
    fn links_are_recognised_by_their_scheme() {
        assert!(matches!(Source::parse(&magnet("0a", "")).unwrap(), Source::Magnet { .. }));
        assert!(matches!(
            Source::parse(&magnet("0a", "").replace("magnet", "MAGNET")).unwrap(),
            Source::Magnet { .. }
        ));
        assert!(refused("magnet:?xt=urn:btih:00").contains("not a usable magnet link"));
        assert!(matches!(
            Source::parse("https://example.com/a.torrent").unwrap(),
            Source::Url { .. }
        ));
        assert!(matches!(Source::parse("HTTP://example.com/a").unwrap(), Source::Url { .. }));
        assert!(refused("ftp://example.com/a.torrent").contains("only http and https"));
    }

    #[test]
    fn an_invalid_torrent_file_is_refused_by_name() {
        assert!(refused("/nowhere/film.torrent").contains("/nowhere/film.torrent"));
        assert!(refused("/").contains('/'));
        let path =
            std::env::temp_dir().join(format!("jstorrent-{}-no.torrent", std::process::id()));
        std::fs::write(&path, "not a torrent").unwrap();
        let words = refused(path.to_str().unwrap());
        let _ = std::fs::remove_file(&path);
        assert!(words.contains("is not a usable .torrent file"), "{words}");
    }

    #[test]
    fn a_key_depends_on_the_place_and_not_on_trackers() {
        let key = |uri: &str, dir: &str| Source::parse(uri).unwrap().key(Path::new(dir));
        let link = magnet("ab", "");
        assert_eq!(key(&magnet("AB", "&dn=n&tr=http://example.com/"), "/a"), key(&link, "/a"));
        assert_ne!(key(&link, "/a"), key(&link, "/b"));
        assert_ne!(key(&link, "/a"), key(&magnet("cd", ""), "/a"));
    }
}
