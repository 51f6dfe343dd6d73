//! Magnet links (BEP 9): a torrent's name in the world, and where to ask about it.
//!
//! Owns the link's form and its bounds; it asks nobody. Invariant: whatever the link says, what
//! comes out is small, and writing it ([`Magnet`]'s `Display`) and reading it again gives the same.
//! Keys are taken in any case, with or without a number (`tr.1`).

use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

use thiserror::Error;

use super::torrent::{MAX_URL_LENGTH, MAX_URLS};
use super::{Identity, InfoHash, InfoHashV2, sanitise};
use crate::percent::percent_encode;

/// Longest link taken, bytes: a hundred trackers and as many peers are far shorter.
pub const MAX_LENGTH: usize = 64 << 10;
/// Most peers taken of one link.
pub const MAX_PEERS: usize = 200;
/// Most ranges of files taken of one link.
pub const MAX_RANGES: usize = 1_000;
/// Most parameters looked at.
const MAX_PARAMETERS: usize = 2_000;

const SCHEME: &str = "magnet:";
const V1: &str = "urn:btih:";
const V2: &str = "urn:btmh:";
/// What a multihash begins with that is a SHA-256: its number and its 32 bytes, in hex.
const SHA256: &str = "1220";

/// What a magnet link says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Magnet {
    /// The torrent, by what it is known here: its v1 hash if the link has it, else the v2 hash, cut
    /// short.
    pub info_hash: InfoHash,
    /// Its v2 hash (BEP 52), if the link has it.
    pub info_hash_v2: Option<InfoHashV2>,
    /// What to call it until its own name is known, safe as that is.
    pub name: Option<String>,
    /// Announce URLs, distinct, in their order.
    pub trackers: Vec<String>,
    /// Peers that the link names by address.
    pub peers: Vec<SocketAddr>,
    /// Number of peers that the link names by host, which nobody looks up.
    pub hosts: usize,
    /// URLs of web seeds (BEP 19).
    pub web_seeds: Vec<String>,
    /// Which files are meant (BEP 53), by index; empty for all.
    pub files: Vec<RangeInclusive<u32>>,
}

/// Why a text is not a magnet link that can be taken. The texts are for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MagnetError {
    /// Another scheme, or none.
    #[error("this is not a magnet link: it does not begin with “magnet:?”")]
    Scheme,
    /// Longer than [`MAX_LENGTH`].
    #[error("this magnet link is longer than {} KiB", MAX_LENGTH >> 10)]
    TooLong,
    /// No `xt` with an info hash.
    #[error("this magnet link names no torrent: it has no “xt=urn:btih:…”")]
    NoHash,
    /// An info hash that is none.
    #[error("the info hash in this magnet link is neither 40 hex digits nor 32 letters of base32")]
    BadHash,
    /// A hash of v2 that is none.
    #[error("the v2 info hash in this magnet link is not “1220” and 64 hex digits")]
    BadHashV2,
}

impl Magnet {
    /// A link that says nothing but which torrent.
    pub fn new(identity: impl Into<Identity>) -> Self {
        let Identity { key, v2 } = identity.into();
        Self {
            info_hash: key,
            info_hash_v2: v2,
            name: None,
            trackers: Vec::new(),
            peers: Vec::new(),
            hosts: 0,
            web_seeds: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Reads a link. Parameters that can't be used are passed over, as are those beyond the bounds.
    ///
    /// # Errors
    /// [`MagnetError`], with a text for people.
    pub fn parse(link: &str) -> Result<Self, MagnetError> {
        let link = link.trim();
        if link.len() > MAX_LENGTH {
            return Err(MagnetError::TooLong);
        }
        let query = without_prefix(link, SCHEME)
            .and_then(|rest| rest.strip_prefix('?'))
            .ok_or(MagnetError::Scheme)?;
        let parameters: Vec<(String, Vec<u8>)> =
            query.split('&').take(MAX_PARAMETERS).filter_map(parameter).collect();
        let mut magnet = Self::new(identity(&parameters)?);
        parameters.iter().for_each(|(key, value)| magnet.take(key, value));
        Ok(magnet)
    }

    /// All that the link says of the torrent's name.
    pub fn identity(&self) -> Identity {
        Identity { key: self.info_hash, v2: self.info_hash_v2 }
    }

    /// Adds what another link for the same torrent knows of trackers, peers and web seeds.
    pub fn merge(&mut self, other: &Self) {
        other.trackers.iter().for_each(|url| add(&mut self.trackers, url.clone(), MAX_URLS));
        other.web_seeds.iter().for_each(|url| add(&mut self.web_seeds, url.clone(), MAX_URLS));
        other.peers.iter().for_each(|&peer| add(&mut self.peers, peer, MAX_PEERS));
        self.name = self.name.take().or_else(|| other.name.clone());
        self.info_hash_v2 = self.info_hash_v2.or(other.info_hash_v2);
        self.hosts = self.hosts.max(other.hosts);
    }

    fn take(&mut self, key: &str, value: &[u8]) {
        match key {
            "dn" if self.name.is_none() => {
                let value: Vec<u8> =
                    value.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
                self.name = (!value.trim_ascii().is_empty()).then(|| sanitise::component(&value));
            }
            "tr" => url(value).into_iter().for_each(|url| add(&mut self.trackers, url, MAX_URLS)),
            "ws" => url(value)
                .filter(|url| {
                    without_prefix(url, "http://")
                        .or_else(|| without_prefix(url, "https://"))
                        .is_some()
                })
                .into_iter()
                .for_each(|url| add(&mut self.web_seeds, url, MAX_URLS)),
            "x.pe" => {
                match std::str::from_utf8(value).ok().and_then(|peer| peer.trim().parse().ok()) {
                    Some(peer) => add(&mut self.peers, peer, MAX_PEERS),
                    None => self.hosts += 1,
                }
            }
            "so" => {
                let ranges = value.split(|&byte| byte == b',').filter_map(range);
                self.files.extend(ranges.take(MAX_RANGES - self.files.len()));
            }
            _ => {}
        }
    }
}

impl fmt::Display for Magnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v1 = self.info_hash_v2.is_none_or(|v2| v2.truncated() != self.info_hash);
        let v1 = v1.then(|| format!("xt={V1}{}", self.info_hash));
        let v2 = self.info_hash_v2.map(|v2| format!("xt={V2}{SHA256}{v2}"));
        let mut link =
            format!("{SCHEME}?{}", [v1, v2].into_iter().flatten().collect::<Vec<_>>().join("&"));
        let mut put = |key: &str, value: &str| {
            link.push('&');
            link.push_str(key);
            link.push('=');
            percent_encode(value.as_bytes(), &mut link);
        };
        self.name.iter().for_each(|name| put("dn", name));
        self.trackers.iter().for_each(|url| put("tr", url));
        self.peers.iter().for_each(|peer| put("x.pe", &peer.to_string()));
        self.web_seeds.iter().for_each(|url| put("ws", url));
        let ranges: Vec<String> =
            self.files.iter().map(|range| format!("{}-{}", range.start(), range.end())).collect();
        if !ranges.is_empty() {
            put("so", &ranges.join(","));
        }
        f.write_str(&link)
    }
}

/// The first v1 hash and the first v2 hash among the exact topics: a hybrid torrent has both.
fn identity(parameters: &[(String, Vec<u8>)]) -> Result<Identity, MagnetError> {
    let (mut v1, mut v2) = (None, None);
    let mut otherwise = MagnetError::NoHash;
    for (_, topic) in parameters.iter().filter(|(key, _)| key == "xt") {
        let Ok(topic) = std::str::from_utf8(topic) else { continue };
        let topic = topic.trim();
        if let Some(hash) = without_prefix(topic, V1) {
            v1 = v1.or_else(|| hash.parse().ok()).or_else(|| base32(hash));
            otherwise = MagnetError::BadHash;
        } else if let Some(hash) = without_prefix(topic, V2) {
            v2 = v2.or_else(|| multihash(hash));
            otherwise = MagnetError::BadHashV2;
        }
    }
    let key = v1.or_else(|| v2.map(|v2: InfoHashV2| v2.truncated())).ok_or(otherwise)?;
    Ok(Identity { key, v2 })
}

/// A SHA-256 as a multihash in hex; there is no other kind in links.
fn multihash(text: &str) -> Option<InfoHashV2> {
    let digits = without_prefix(text, SHA256)?.as_bytes();
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let bytes: Option<Vec<u8>> = pairs
        .iter()
        .map(|&[high, low]| Some(super::hex_digit(high)? << 4 | super::hex_digit(low)?))
        .collect();
    bytes?.try_into().ok().map(InfoHashV2)
}

/// Key and value of `key=value`, the key in lower case and without a number. Links out of web pages
/// may be escaped as HTML.
fn parameter(text: &str) -> Option<(String, Vec<u8>)> {
    let (key, value) = text.split_once('=')?;
    let mut key = key.to_ascii_lowercase();
    if let Some(plain) = key.strip_prefix("amp;") {
        key = plain.to_owned();
    }
    if let Some((plain, number)) = key.rsplit_once('.')
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
    {
        key = plain.to_owned();
    }
    Some((key, percent_decode(value)))
}

/// A `%` that begins no escape stands for itself.
fn percent_decode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = match after {
            [high, low, ..] if byte == b'%' => super::hex_digit(*high).zip(super::hex_digit(*low)),
            _ => None,
        };
        if let Some((high, low)) = escaped {
            out.push(high << 4 | low);
            rest = &after[2..];
        } else {
            out.push(byte);
            rest = after;
        }
    }
    out
}

/// 32 letters of base32 (RFC 4648 §6), in any case.
fn base32(text: &str) -> Option<InfoHash> {
    if text.len() != 32 {
        return None;
    }
    let mut bits: u64 = 0;
    let mut hash = Vec::with_capacity(20);
    for (at, letter) in text.bytes().enumerate() {
        let five = match letter.to_ascii_uppercase() {
            letter @ b'A'..=b'Z' => letter - b'A',
            digit @ b'2'..=b'7' => digit - b'2' + 26,
            _ => return None,
        };
        bits = bits << 5 | u64::from(five);
        // Eight letters are five bytes.
        if at % 8 == 7 {
            hash.extend_from_slice(&bits.to_be_bytes()[3..]);
            bits = 0;
        }
    }
    hash.try_into().ok().map(InfoHash)
}

fn url(value: &[u8]) -> Option<String> {
    let url = std::str::from_utf8(value).ok()?.trim();
    let plausible = url.contains("://")
        && url.len() <= MAX_URL_LENGTH
        && url.bytes().all(|b| b.is_ascii_graphic());
    plausible.then(|| url.to_owned())
}

/// `3` or `3-7`.
fn range(text: &[u8]) -> Option<RangeInclusive<u32>> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = first.trim().parse().ok()?..=last.trim().parse().ok()?;
    (!range.is_empty()).then_some(range)
}

fn add<T: PartialEq>(list: &mut Vec<T>, item: T, most: usize) {
    if list.len() < most && !list.contains(&item) {
        list.push(item);
    }
}

/// What follows a prefix that is matched in any case.
fn without_prefix<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEX: &str = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a";
    const BASE32: &str = "YEX6DQDLXISUVHOJ6UM3GNNKPQJWPKEK";

    fn parse(rest: &str) -> Magnet {
        Magnet::parse(&format!("magnet:?xt=urn:btih:{HEX}{rest}")).unwrap()
    }

    fn check(link: &str, expected: Result<&str, MagnetError>) {
        assert_eq!(
            Magnet::parse(link).map(|magnet| magnet.info_hash.to_string()).as_deref(),
            expected.as_deref(),
            "{link}"
        );
    }

    #[test]
    fn the_hash_is_read_in_each_of_its_forms() {
        check(&format!("magnet:?xt=urn:btih:{HEX}"), Ok(HEX));
        check(&format!("  MAGNET:?dn=x&XT=URN:BTIH:{}\n", HEX.to_uppercase()), Ok(HEX));
        check(&format!("magnet:?xt=urn:btih:{BASE32}"), Ok(HEX));
        check(&format!("magnet:?xt=urn:btih:{}", BASE32.to_lowercase()), Ok(HEX));
        check(&format!("magnet:?xt=urn%3Abtih%3A{HEX}"), Ok(HEX));
        check(&format!("magnet:?xt.1=urn:sha1:x&xt.2=urn:btih:{HEX}"), Ok(HEX));
        check(&format!("magnet:?xt=urn:btmh:1220aa&amp;xt=urn:btih:{HEX}"), Ok(HEX));
        check(&format!("magnet:?xt=urn:btmh:1220{HEX}{}", "0".repeat(24)), Ok(HEX));
        check(
            &format!(
                "magnet:?xt=urn:btih:x&xt=URN:BTMH:1220{}{}",
                HEX.to_uppercase(),
                "F".repeat(24)
            ),
            Ok(HEX),
        );
    }

    #[test]
    fn a_link_of_a_hybrid_names_it_twice() {
        let v2 = format!("1220{}", "5a".repeat(32));
        let magnet = parse(&format!("&xt=urn:btmh:{v2}&xt=urn:btmh:1220{}", "00".repeat(32)));
        assert_eq!(
            (magnet.info_hash.to_string(), magnet.info_hash_v2),
            (HEX.to_owned(), Some(InfoHashV2([0x5a; 32])))
        );
        assert_eq!(magnet.to_string(), format!("magnet:?xt=urn:btih:{HEX}&xt=urn:btmh:{v2}"));
        let only = Magnet::parse(&format!("magnet:?xt=urn:btmh:{v2}")).unwrap();
        assert_eq!(only.to_string(), format!("magnet:?xt=urn:btmh:{v2}"));
        assert_eq!(only.identity().key, InfoHashV2([0x5a; 32]).truncated());
    }

    #[test]
    fn what_is_no_usable_link_is_an_error_in_plain_words() {
        for link in
            ["", "magnet", "magnet:", "http://x", "magnet:xt=urn:btih:x", "märchen", "magnet?xt"]
        {
            check(link, Err(MagnetError::Scheme));
        }
        for link in
            ["magnet:?", "magnet:?dn=x", "magnet:?xt=urn:sha1:x", "magnet:?xt", "magnet:?xt=%ff"]
        {
            check(link, Err(MagnetError::NoHash));
        }
        for hash in ["", &HEX[1..], &BASE32[1..], &"1".repeat(32), &"é".repeat(16), &"é".repeat(20)]
        {
            check(&format!("magnet:?xt=urn:btih:{hash}"), Err(MagnetError::BadHash));
        }
        for hash in
            ["1220aabb", "", &format!("1120{}", "0".repeat(64)), &format!("1220{}", "é".repeat(32))]
        {
            check(&format!("magnet:?xt=urn:btmh:{hash}"), Err(MagnetError::BadHashV2));
        }
        check(
            &format!("magnet:?xt=urn:btih:{HEX}&dn={}", "x".repeat(MAX_LENGTH)),
            Err(MagnetError::TooLong),
        );
    }

    #[test]
    fn names_are_decoded_and_made_safe() {
        assert_eq!(parse("&dn=A+b%20%C3%A9").name.as_deref(), Some("A b é"));
        assert_eq!(parse("&dn=100%&dn=other").name.as_deref(), Some("100%"));
        assert_eq!(parse("&dn=&dn=+").name, None);
        assert!(!parse("&dn=..%2F..%2Fetc").name.unwrap().contains('/'));
    }

    #[test]
    fn trackers_are_distinct_and_keep_their_order() {
        let magnet = parse(
            "&tr=http%3A%2F%2Fb%2Fa%3Fk%3D1&tr.1=udp://a:1&tr.23=http://b/a?k=1&tr=nonsense&tr=http://x y",
        );
        assert_eq!(magnet.trackers, ["http://b/a?k=1", "udp://a:1"]);
    }

    #[test]
    fn peers_are_addresses_and_hosts_are_counted() {
        let magnet = parse(
            "&x.pe=127.0.0.1:6881&x.pe=%5B::1%5D:7&x.pe=peer.example:6881&x.pe=[::1]:7&x.pe=1.2.3.4",
        );
        assert_eq!(magnet.peers, ["127.0.0.1:6881".parse().unwrap(), "[::1]:7".parse().unwrap()]);
        assert_eq!(magnet.hosts, 2);
    }

    #[test]
    fn web_seeds_and_chosen_files_are_kept() {
        let magnet = parse("&ws=https://w/x&ws=ftp://w/x&so=0,2-5,7-6,x,%209&so=11");
        assert_eq!(magnet.web_seeds, ["https://w/x"]);
        assert_eq!(magnet.files, [0..=0, 2..=5, 9..=9, 11..=11]);
    }

    #[test]
    fn what_is_kept_of_a_long_link_is_bounded() {
        let peers: String =
            (1..=MAX_PEERS + 5).map(|port| format!("&x.pe=1.2.3.4:{port}")).collect();
        let trackers: String = (0..MAX_URLS + 5).map(|at| format!("&tr=http://{at}")).collect();
        let magnet = parse(&format!("{peers}{trackers}&so={}", "1,".repeat(MAX_RANGES + 5)));
        assert_eq!(
            (magnet.peers.len(), magnet.trackers.len(), magnet.files.len()),
            (MAX_PEERS, MAX_URLS, MAX_RANGES)
        );
        assert!(parse(&"&".repeat(MAX_PARAMETERS)).name.is_none());
    }

    #[test]
    fn a_second_link_adds_what_it_knows() {
        let mut magnet = parse("&tr=http://a&x.pe=1.2.3.4:5");
        magnet.merge(&parse("&dn=Name&tr=http://b&tr=http://a&x.pe=1.2.3.4:6"));
        assert_eq!(magnet, parse("&dn=Name&tr=http://a&tr=http://b&x.pe=1.2.3.4:5&x.pe=1.2.3.4:6"));
    }

    proptest! {
        #[test]
        fn no_text_of_a_stranger_panics_and_what_is_read_is_written_alike(
            pieces in prop::collection::vec(
                prop_oneof![
                    "[ -~é\u{202e}]{0,12}",
                    "(&|&amp;|%)?(dn|tr|tr\\.1|x\\.pe|ws|so|xt)=",
                    "(http|udp)://[a-z&?=%+#]{1,9}",
                    "%[0-9a-fA-F]{2}",
                    "(\\[::1\\]|1\\.2\\.3\\.4):[0-9]{1,5}",
                    "[0-9]{1,3}-[0-9]{1,3},",
                ],
                0..20,
            ),
        ) {
            let link = format!("magnet:?xt=urn:btih:{HEX}&{}", pieces.concat());
            let magnet = Magnet::parse(&link).unwrap();
            let mut again = Magnet::parse(&magnet.to_string()).unwrap();
            again.hosts = magnet.hosts;
            prop_assert_eq!(again, magnet);
            let _ = Magnet::parse(&pieces.concat());
        }
    }
}
