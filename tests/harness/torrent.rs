//! Makes `.torrent` files (BEP 3, v1) of files on disk.
//!
//! It has its own bencode writer and shares no code with the engine on purpose: a mistake in shared
//! code would go unnoticed.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use data_encoding::HEXLOWER;
use sha1::{Digest as _, Sha1};

/// What to make a torrent of.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The folder that holds the files: a seeder's download folder.
    pub folder: PathBuf,
    /// The torrent's name: the file's for a single file, the sub-folder's for several.
    pub name: String,
    /// Paths below `folder/name`; empty for a single file.
    pub files: Vec<String>,
    /// Length of a piece, bytes.
    pub piece_length: usize,
    /// URL of the tracker.
    pub announce: Option<String>,
}

impl Recipe {
    /// A torrent of one file, without a tracker.
    ///
    /// # Errors
    /// The path does not name a file in UTF-8.
    pub fn of_file(file: &Path, piece_length: usize) -> Result<Self> {
        let name =
            file.file_name().and_then(|n| n.to_str()).context("a file name in UTF-8")?.to_owned();
        let folder = file.parent().context("a file lies in a folder")?.to_owned();
        Ok(Self { folder, name, files: Vec::new(), piece_length, announce: None })
    }
}

/// A torrent whose content lies on disk.
#[derive(Clone, Debug)]
pub struct Torrent {
    /// The `.torrent` file's bytes.
    pub metainfo: Vec<u8>,
    /// 40 hex digits.
    pub info_hash: String,
    /// The info hash as bytes.
    pub info_hash_bytes: [u8; 20],
    /// Its name.
    pub name: String,
    /// The folder that a seeder uploads from.
    pub folder: PathBuf,
    /// Its files on disk, in order.
    pub paths: Vec<PathBuf>,
    /// Bytes in all.
    pub length: u64,
    /// Length of a piece, bytes.
    pub piece_length: usize,
}

impl Torrent {
    /// Makes a private torrent: reads the content, hashes its pieces and writes the metainfo.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn make(recipe: &Recipe) -> Result<Self> {
        let base = recipe.folder.join(&recipe.name);
        let paths: Vec<PathBuf> = match recipe.files.as_slice() {
            [] => vec![base],
            files => files.iter().map(|file| base.join(file)).collect(),
        };
        let lengths =
            paths.iter().map(|p| Ok(p.metadata()?.len())).collect::<Result<Vec<u64>>>()?;
        let mut info = vec![
            ("name", text(&recipe.name)),
            ("piece length", Bencode::Int(recipe.piece_length as u64)),
            ("pieces", Bencode::Bytes(piece_hashes(&paths, recipe.piece_length)?)),
            ("private", Bencode::Int(1)),
        ];
        info.push(if recipe.files.is_empty() {
            ("length", Bencode::Int(lengths[0]))
        } else {
            ("files", file_list(&recipe.files, &lengths))
        });
        let info = dict(info);
        let info_hash_bytes: [u8; 20] = Sha1::digest(info.encode()).into();
        let mut outer = vec![("info", info)];
        if let Some(url) = &recipe.announce {
            outer.push(("announce", text(url)));
        }
        Ok(Self {
            metainfo: dict(outer).encode(),
            info_hash: HEXLOWER.encode(&info_hash_bytes),
            info_hash_bytes,
            name: recipe.name.clone(),
            folder: recipe.folder.clone(),
            paths,
            length: lengths.iter().sum(),
            piece_length: recipe.piece_length,
        })
    }

    /// The same content in a public torrent. Real clients send no metadata of a private one.
    ///
    /// # Panics
    /// Never: every torrent made here has an info dictionary that says whether it is private.
    pub fn public(&self) -> Self {
        const PRIVATE: &[u8] = b"7:privatei1e";
        let at =
            |needle: &[u8]| self.metainfo.windows(needle.len()).position(|window| window == needle);
        let (info, private) =
            (at(b"4:info").expect("an info dictionary"), at(PRIVATE).expect("a private torrent"));
        let metainfo =
            [&self.metainfo[..private], &self.metainfo[private + PRIVATE.len()..]].concat();
        // The info dictionary is the last entry; only the end of the outer dictionary follows.
        let info_hash_bytes: [u8; 20] =
            Sha1::digest(&metainfo[info + 6..metainfo.len() - 1]).into();
        Self {
            metainfo,
            info_hash: HEXLOWER.encode(&info_hash_bytes),
            info_hash_bytes,
            ..self.clone()
        }
    }

    /// The same torrent with a tracker's URL; it must have had none.
    #[must_use]
    pub fn with_tracker(&self, url: &str) -> Self {
        let entry = [text("announce").encode(), text(url).encode()].concat();
        // "announce" comes before all other keys that are written here or by libtorrent.
        let metainfo = [b"d".as_slice(), &entry, &self.metainfo[1..]].concat();
        Self { metainfo, ..self.clone() }
    }

    /// The same torrent with a web seed's URL (BEP 19). The torrent must have had none.
    #[must_use]
    pub fn with_web_seed(&self, url: &str) -> Self {
        let entry = [text("url-list").encode(), Bencode::List(vec![text(url)]).encode()].concat();
        // "url-list" comes after all other keys.
        let metainfo = [&self.metainfo[..self.metainfo.len() - 1], &entry, b"e"].concat();
        Self { metainfo, ..self.clone() }
    }

    /// Writes the `.torrent` file into a folder.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_to(&self, folder: &Path) -> Result<PathBuf> {
        let path = folder.join(format!("{}.torrent", self.name));
        std::fs::write(&path, &self.metainfo)?;
        Ok(path)
    }

    /// Number of pieces.
    pub fn piece_count(&self) -> usize {
        usize::try_from(self.length)
            .expect("test torrents fit into memory")
            .div_ceil(self.piece_length)
    }
}

/// Writes the `.torrent` file of content that does not exist, and returns its path.
///
/// Pieces have 16 KiB and wrong hashes. A single file with the torrent's name makes a torrent of
/// one file.
///
/// # Errors
/// It cannot be written.
pub fn of_nobody(folder: &Path, name: &str, files: &[(&str, usize)]) -> Result<PathBuf> {
    const PIECE_LENGTH: usize = 16 << 10;
    let length: usize = files.iter().map(|(_, length)| length).sum();
    let mut info = vec![
        ("name", text(name)),
        ("piece length", Bencode::Int(PIECE_LENGTH as u64)),
        ("pieces", Bencode::Bytes(vec![7; length.div_ceil(PIECE_LENGTH) * 20])),
    ];
    info.push(if matches!(files, [(only, _)] if *only == name) {
        ("length", Bencode::Int(length as u64))
    } else {
        let names: Vec<String> = files.iter().map(|(path, _)| (*path).to_owned()).collect();
        let lengths: Vec<u64> = files.iter().map(|(_, length)| *length as u64).collect();
        ("files", file_list(&names, &lengths))
    });
    let path = folder.join(format!("{name}.torrent"));
    std::fs::write(&path, dict(vec![("info", dict(info))]).encode())?;
    Ok(path)
}

fn piece_hashes(paths: &[PathBuf], piece_length: usize) -> Result<Vec<u8>> {
    let mut hashes = Vec::new();
    let mut piece = Vec::with_capacity(piece_length);
    for path in paths {
        let mut file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
        loop {
            let room = (piece_length - piece.len()) as u64;
            if file.by_ref().take(room).read_to_end(&mut piece)? == 0 {
                break;
            }
            if piece.len() == piece_length {
                hashes.extend_from_slice(&Sha1::digest(&piece));
                piece.clear();
            }
        }
    }
    if !piece.is_empty() {
        hashes.extend_from_slice(&Sha1::digest(&piece));
    }
    Ok(hashes)
}

fn file_list(files: &[String], lengths: &[u64]) -> Bencode {
    let entry = |(file, length): (&String, &u64)| {
        let path = file.split('/').map(text).collect();
        dict(vec![("length", Bencode::Int(*length)), ("path", Bencode::List(path))])
    };
    Bencode::List(files.iter().zip(lengths).map(entry).collect())
}

/// A bencoded value, to be written.
#[derive(Clone, Debug)]
pub enum Bencode {
    /// `i…e`
    Int(u64),
    /// `<length>:…`
    Bytes(Vec<u8>),
    /// `l…e`
    List(Vec<Bencode>),
    /// `d…e`, sorted when written.
    Dict(Vec<(Vec<u8>, Bencode)>),
}

/// A text value.
pub fn text(value: impl AsRef<str>) -> Bencode {
    Bencode::Bytes(value.as_ref().as_bytes().to_vec())
}

/// A dictionary of text keys.
pub fn dict(entries: Vec<(&str, Bencode)>) -> Bencode {
    Bencode::Dict(
        entries.into_iter().map(|(key, value)| (key.as_bytes().to_vec(), value)).collect(),
    )
}

impl Bencode {
    /// The encoded form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Int(value) => out.extend_from_slice(format!("i{value}e").as_bytes()),
            Self::Bytes(bytes) => write_bytes(bytes, out),
            Self::List(items) => {
                out.push(b'l');
                items.iter().for_each(|item| item.write(out));
                out.push(b'e');
            }
            Self::Dict(entries) => {
                let mut sorted: Vec<_> = entries.iter().collect();
                sorted.sort_by(|a, b| a.0.cmp(&b.0));
                out.push(b'd');
                for (key, value) in sorted {
                    write_bytes(key, out);
                    value.write(out);
                }
                out.push(b'e');
            }
        }
    }
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{}:", bytes.len()).as_bytes());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Scratch;

    #[test]
    fn dictionaries_are_written_in_the_order_of_their_keys() {
        let value =
            dict(vec![("spam", text("eggs")), ("cow", Bencode::List(vec![Bencode::Int(7)]))]);
        assert_eq!(value.encode(), b"d3:cowli7ee4:spam4:eggse");
    }

    #[test]
    fn pieces_run_across_the_borders_of_files() {
        let scratch = Scratch::new("torrent").unwrap();
        let folder = scratch.dir("set").unwrap();
        std::fs::write(folder.join("a"), [1; 10]).unwrap();
        std::fs::write(folder.join("b"), [2; 10]).unwrap();
        let torrent = Torrent::make(&Recipe {
            folder: scratch.path().to_owned(),
            name: "set".into(),
            files: vec!["a".into(), "b".into()],
            piece_length: 16,
            announce: None,
        })
        .unwrap();
        let all: Vec<u8> = [[1; 10], [2; 10]].concat();
        let hashes = [Sha1::digest(&all[..16]), Sha1::digest(&all[16..])].concat();
        assert!(torrent.metainfo.windows(40).any(|window| window == hashes));
        assert_eq!(torrent.piece_count(), 2);
        assert_eq!(torrent.length, 20);
    }
}
