//! Magnet links (BEP 9): parsing and writing.
//!
//! This module owns the link's syntax and the limits on what is taken from it; it contacts nothing
//! that the link names. Invariant: a [`Magnet`] is small whatever the link says, and writing it
//! ([`Magnet`]'s `Display`) and parsing the result yields the same value. Keys are matched in any
//! case, with or without a number (`tr.1`).

use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

use data_encoding::{BASE32, HEXLOWER_PERMISSIVE};
use percent_encoding::percent_decode_str;
use thiserror::Error;

use super::torrent::{MAX_URL_LENGTH, MAX_URLS};
use super::{Identity, InfoHash, InfoHashV2, sanitise};
use crate::percent::percent_encode;

/// Longest accepted link, in bytes. A link with a hundred trackers and as many peers is far
/// shorter.
pub const MAX_LENGTH: usize = 64 << 10;
/// Most peers taken from one link.
pub const MAX_PEERS: usize = 200;
/// Most file ranges taken from one link.
pub const MAX_RANGES: usize = 1_000;
/// Most parameters parsed; the rest is ignored.
const MAX_PARAMETERS: usize = 2_000;

const SCHEME: &str = "magnet:";
const V1: &str = "urn:btih:";
const V2: &str = "urn:btmh:";
/// Prefix of a multihash in hex that is a SHA-256: its code (`12`) and its length (`20`, 32 bytes).
const SHA256: &str = "1220";

/// The contents of a magnet link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Magnet {
    /// The torrent's key: the v1 hash if the link has one, else the truncated v2 hash.
    pub info_hash: InfoHash,
    /// The v2 hash (BEP 52), if the link has one.
    pub info_hash_v2: Option<InfoHashV2>,
    /// The name to show until the metadata arrives; safe as a file name ([`sanitise::component`]).
    pub name: Option<String>,
    /// Announce URLs, distinct, in link order.
    pub trackers: Vec<String>,
    /// Peers that the link gives as IP address and port.
    pub peers: Vec<SocketAddr>,
    /// Number of peers that the link gives by host name. Host names are not resolved.
    pub hosts: usize,
    /// URLs of web seeds (BEP 19).
    pub web_seeds: Vec<String>,
    /// The selected files (BEP 53), by index; empty for all.
    pub files: Vec<RangeInclusive<u32>>,
}

/// Why a text is not an acceptable magnet link. The messages are shown to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MagnetError {
    /// The scheme is not `magnet:`.
    #[error("this is not a magnet link: it does not begin with “magnet:?”")]
    Scheme,
    /// Longer than [`MAX_LENGTH`].
    #[error("this magnet link is longer than {} KiB", MAX_LENGTH >> 10)]
    TooLong,
    /// No `xt` parameter with an info hash.
    #[error("this magnet link names no torrent: it has no “xt=urn:btih:…”")]
    NoHash,
    /// The v1 info hash is malformed.
    #[error("the info hash in this magnet link is neither 40 hex digits nor 32 letters of base32")]
    BadHash,
    /// The v2 info hash is malformed.
    #[error("the v2 info hash in this magnet link is not “1220” and 64 hex digits")]
    BadHashV2,
}

impl Magnet {
    /// Creates a link that contains nothing but the torrent's hashes.
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

    /// Parses a link. Ignores parameters that are malformed or beyond the limits.
    ///
    /// # Errors
    /// [`MagnetError`], whose message is shown to the user.
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

    /// Returns the torrent's hashes.
    pub fn identity(&self) -> Identity {
        Identity { key: self.info_hash, v2: self.info_hash_v2 }
    }

    /// Adds the trackers, peers and web seeds of another link to the same torrent.
    ///
    /// Name and v2 hash are taken where this link has none.
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

/// Finds the first v1 hash and the first v2 hash among the `xt` parameters. Hybrids have both.
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

/// Parses a multihash in hex; only SHA-256 exists in magnet links.
fn multihash(text: &str) -> Option<InfoHashV2> {
    let bytes = HEXLOWER_PERMISSIVE.decode(without_prefix(text, SHA256)?.as_bytes()).ok()?;
    bytes.try_into().ok().map(InfoHashV2)
}

/// Splits `key=value`; lowers the key and drops its number.
///
/// Links copied from web pages may be HTML-escaped, hence the `amp;`.
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
    Some((key, percent_decode_str(value).collect()))
}

/// Parses 32 letters of base32 (RFC 4648 §6), in any case.
fn base32(text: &str) -> Option<InfoHash> {
    let bytes = BASE32.decode(text.to_ascii_uppercase().as_bytes()).ok()?;
    bytes.try_into().ok().map(InfoHash)
}

fn url(value: &[u8]) -> Option<String> {
    let url = std::str::from_utf8(value).ok()?.trim();
    let plausible = url.contains("://")
        && url.len() <= MAX_URL_LENGTH
        && url.bytes().all(|b| b.is_ascii_graphic());
    plausible.then(|| url.to_owned())
}

/// Parses `3` or `3-7`.
fn range(text: &[u8]) -> Option<RangeInclusive<u32>> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = first.trim().parse().ok()?..=last.trim().parse().ok()?;
    (!range.is_empty()).then_some(range)
}

/// Joins consecutive indices into ranges (BEP 53).
pub(crate) fn ranges(indices: impl Iterator<Item = u32>) -> Vec<RangeInclusive<u32>> {
    let mut ranges: Vec<RangeInclusive<u32>> = Vec::new();
    for index in indices {
        match ranges.last_mut() {
            Some(last) if last.end() + 1 == index => *last = *last.start()..=index,
            _ => ranges.push(index..=index),
        }
    }
    ranges
}

fn add<T: PartialEq>(list: &mut Vec<T>, item: T, most: usize) {
    if list.len() < most && !list.contains(&item) {
        list.push(item);
    }
}

/// Strips a prefix, compared without case.
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
    fn every_form_of_the_hash_is_parsed() {
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
    fn a_link_to_a_hybrid_has_both_hashes() {
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
    fn unusable_links_have_clear_errors() {
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
            "&tr=http%3A%2F%2Fb%2Fa%3Fk%3D1&tr.1=udp://a:1&tr.23=http://b/a?k=1&tr=nonsense\
             &tr=http://x y",
        );
        assert_eq!(magnet.trackers, ["http://b/a?k=1", "udp://a:1"]);
    }

    #[test]
    fn peers_are_addresses_and_hosts_are_counted() {
        let magnet = parse(
            "&x.pe=127.0.0.1:6881&x.pe=%5B::1%5D:7&x.pe=peer.example:6881&x.pe=[::1]:7\
             &x.pe=1.2.3.4",
        );
        assert_eq!(magnet.peers, ["127.0.0.1:6881".parse().unwrap(), "[::1]:7".parse().unwrap()]);
        assert_eq!(magnet.hosts, 2);
    }

    #[test]
    fn web_seeds_and_selected_files_are_kept() {
        let magnet = parse("&ws=https://w/x&ws=ftp://w/x&so=0,2-5,7-6,x,%209&so=11");
        assert_eq!(magnet.web_seeds, ["https://w/x"]);
        assert_eq!(magnet.files, [0..=0, 2..=5, 9..=9, 11..=11]);
    }

    #[test]
    fn a_long_link_is_truncated_to_the_limits() {
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
    fn a_second_link_adds_its_contents() {
        let mut magnet = parse("&tr=http://a&x.pe=1.2.3.4:5");
        magnet.merge(&parse("&dn=Name&tr=http://b&tr=http://a&x.pe=1.2.3.4:6"));
        assert_eq!(magnet, parse("&dn=Name&tr=http://a&tr=http://b&x.pe=1.2.3.4:5&x.pe=1.2.3.4:6"));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_links_round_trip(
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

    #[test]
    fn neighbours_are_one_range() {
        assert_eq!(ranges([0, 1, 2, 5, 7, 8].into_iter()), [0..=2, 5..=5, 7..=8]);
        assert_eq!(ranges([].into_iter()), []);
    }
}
