//! Web seeds (BEP 19): the URLs of files on a web server, and the size of requests.
//!
//! Owns URLs, back-off and the size of runs; it picks no block and fetches nothing:
//! `torrent/swarm/web_seeds.rs` does. Invariant: a server is never asked again if it sent wrong
//! data or lacks what it should have, and one that failed is not asked during its back-off.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::geometry::FileIndex;
use crate::metainfo::bencode::{self, Value};
use crate::metainfo::torrent::MAX_PATH_DEPTH;
use crate::percent::percent_encode;
use crate::source::WebHostId;
use crate::time::Instant;

/// Maximum number of web seeds used for a torrent.
pub(crate) const MAX_SEEDS: usize = 8;
/// Bytes of a run before the server's rate is known.
const FIRST_RUN: u64 = 256 << 10;
/// Minimum bytes of a run: for less, the round trip costs more than the transfer.
const MIN_RUN: u64 = 64 << 10;
/// Maximum bytes of a run.
const MAX_RUN: u64 = 8 << 20;
/// Target time of a run while nobody watches.
const RUN_TIME: Duration = Duration::from_secs(4);
/// Target time of a run while somebody watches: a seek cancels the run under way.
const WATCHED_RUN_TIME: Duration = Duration::from_secs(1);
/// Back-off after the first failure; each further failure in a row doubles it.
const FIRST_RETRY: Duration = Duration::from_secs(5);
/// Minimum back-off for a server that says that it is overloaded.
const BUSY_RETRY: Duration = Duration::from_secs(30);
/// Longest back-off.
const MAX_RETRY: Duration = Duration::from_secs(1800);
/// Number of missing files at which a server stops being a web seed.
const MAX_MISSING: usize = 100;

/// Why a fetch failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The server answered with this status.
    Status(u16),
    /// Any other error.
    Broken,
}

/// One web seed.
#[derive(Debug)]
pub(crate) struct WebSeed {
    url: String,
    /// Its host, which is responsible for what it sends.
    host: WebHostId,
    /// Files that it does not have.
    missing: BTreeSet<FileIndex>,
    gone: bool,
    failures: u32,
    retry_at: Instant,
    rate_bps: Option<u64>,
}

impl WebSeed {
    /// Creates a web seed at a URL of this host.
    pub(crate) fn new(url: String, host: WebHostId) -> Self {
        Self {
            url,
            host,
            missing: BTreeSet::new(),
            gone: false,
            failures: 0,
            retry_at: Instant::default(),
            rate_bps: None,
        }
    }

    /// The URL as the torrent gives it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Its host.
    pub(crate) fn host(&self) -> WebHostId {
        self.host
    }

    /// Whether it may ever be asked again.
    pub(crate) fn is_hopeful(&self) -> bool {
        !self.gone
    }

    /// Whether it may be asked now.
    pub(crate) fn is_usable(&self, now: Instant) -> bool {
        !self.gone && self.retry_at <= now
    }

    /// Whether it has a file, as far as is known.
    pub(crate) fn has(&self, file: FileIndex) -> bool {
        !self.missing.contains(&file)
    }

    /// When its back-off ends, if it is in one.
    #[cfg(test)]
    pub(crate) fn retry_at(&self, now: Instant) -> Option<Instant> {
        (!self.gone && self.retry_at > now).then_some(self.retry_at)
    }

    /// Its rate in bytes per second, if known.
    pub(crate) fn rate_bps(&self) -> Option<u64> {
        self.rate_bps
    }

    /// How many bytes to request next.
    pub(crate) fn run_bytes(&self, watched: bool) -> u64 {
        let time = if watched { WATCHED_RUN_TIME } else { RUN_TIME };
        self.rate_bps
            .map_or(FIRST_RUN, |rate| (rate.saturating_mul(time.as_secs())).clamp(MIN_RUN, MAX_RUN))
    }

    /// How long a transfer of this many bytes will take.
    pub(crate) fn expected(&self, bytes: u64) -> Duration {
        const ASSUMED_BPS: u64 = 512 << 10;
        let rate = self.rate_bps.unwrap_or(ASSUMED_BPS).max(1 << 10);
        Duration::from_micros(bytes.saturating_mul(1_000_000) / rate)
    }

    /// A run arrived completely.
    pub(crate) fn succeeded(&mut self, bytes: u64, took: Duration) {
        self.failures = 0;
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1_000);
        let rate = bytes.saturating_mul(1_000_000) / micros;
        self.rate_bps = Some(self.rate_bps.map_or(rate, |old| (old + rate) / 2));
    }

    /// A request for a file failed.
    pub(crate) fn failed(&mut self, file: FileIndex, failure: Failure, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        let doubled =
            FIRST_RETRY.saturating_mul(1u32.checked_shl(self.failures - 1).unwrap_or(u32::MAX));
        let pause = match failure {
            // The server lacks the file or forbids it: another request would not change that.
            Failure::Status(400..=499) if !matches!(failure, Failure::Status(408 | 425 | 429)) => {
                self.missing.insert(file);
                self.gone |= self.missing.len() > MAX_MISSING;
                self.failures = 0;
                return;
            }
            Failure::Status(429 | 503) => doubled.max(BUSY_RETRY),
            Failure::Status(_) | Failure::Broken => doubled,
        };
        self.retry_at = now + pause.min(MAX_RETRY);
    }

    /// The server sent wrong data or lacks the torrent: it is never asked again.
    pub(crate) fn give_up(&mut self) {
        self.gone = true;
    }
}

/// The paths of a torrent's files below a web seed's URL. They are the torrent's own, not those on
/// the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    name: Vec<u8>,
    /// `None` for a torrent of a single file.
    paths: Option<Vec<Vec<Vec<u8>>>>,
}

impl Layout {
    /// Reads an info dictionary; `None` when it lacks the fields of BEP 3.
    pub(crate) fn of(info: &[u8]) -> Option<Self> {
        let document = bencode::parse(info).ok()?;
        let root = document.root();
        let name = root.get("name")?.bytes()?.to_vec();
        let components = |entry: Value<'_>| -> Option<Vec<Vec<u8>>> {
            entry
                .get("path")?
                .list()?
                .map(|component| component.bytes().map(<[u8]>::to_vec))
                .collect()
        };
        let paths = match root.get("files").and_then(Value::list) {
            Some(files) => Some(files.map(components).collect::<Option<Vec<_>>>()?),
            None if root.get("length").is_some() => None,
            // The torrent is v2 alone (BEP 52).
            None => {
                let mut paths = Vec::new();
                walk(root.get("file tree")?, &mut Vec::new(), &mut paths)?;
                let is_single = matches!(&paths[..], [path] if path.len() == 1);
                Some(paths).filter(|_| !is_single)
            }
        };
        Some(Self { name, paths })
    }

    /// The URL of a file; `None` for one that the torrent does not have.
    pub(crate) fn url(&self, base: &str, file: FileIndex) -> Option<String> {
        let mut url = base.split('#').next().unwrap_or(base).to_owned();
        let Some(paths) = &self.paths else {
            if url.ends_with('/') {
                percent_encode(&self.name, &mut url);
            }
            return (file.get() == 0).then_some(url);
        };
        let path = paths.get(file.as_usize())?;
        if !url.ends_with('/') {
            url.push('/');
        }
        percent_encode(&self.name, &mut url);
        for component in path {
            url.push('/');
            percent_encode(component, &mut url);
        }
        Some(url)
    }
}

/// Collects the paths of a file tree in its order. `None` if it is no tree or too deep.
fn walk(folder: Value<'_>, path: &mut Vec<Vec<u8>>, out: &mut Vec<Vec<Vec<u8>>>) -> Option<()> {
    for (name, child) in folder.dict()? {
        if path.len() >= MAX_PATH_DEPTH {
            return None;
        }
        path.push(name.to_vec());
        if child.get("").is_some() {
            out.push(path.clone())
        } else {
            walk(child, path, out)?
        }
        path.pop();
    }
    Some(())
}

/// Host and port of a URL in lower case: they identify the server.
pub(crate) fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    authority.rsplit('@').next().unwrap_or(authority).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::testing;
    use crate::metainfo::Version;
    use crate::metainfo::encode::{self, Dict};
    use crate::metainfo::testing::torrent_of;

    fn layout(name: &str, files: &[&[&str]]) -> Layout {
        let path = |path: &&[&str]| {
            Dict::new().int("length", 1).raw("path", encode::list(path.iter().map(encode::bytes)))
        };
        let info = Dict::new().bytes("name", name);
        let info = if files.is_empty() {
            info.int("length", 1)
        } else {
            info.raw("files", encode::list(files.iter().map(|file| path(file).encode())))
        };
        Layout::of(&info.encode()).unwrap()
    }

    fn check(layout: &Layout, base: &str, file: u32, expected: Option<&str>) {
        assert_eq!(layout.url(base, testing::file(file)).as_deref(), expected, "{base} {file}");
    }

    #[test]
    fn a_single_file_is_at_the_url_or_below_it() {
        let film = layout("a film?.mp4", &[]);
        check(&film, "http://w/x.mp4", 0, Some("http://w/x.mp4"));
        check(&film, "http://w/dir/", 0, Some("http://w/dir/a%20film%3F.mp4"));
        check(&film, "http://w/x?k=1#top", 0, Some("http://w/x?k=1"));
        check(&film, "http://w/x", 1, None);
    }

    #[test]
    fn several_files_lie_below_the_torrents_name() {
        let set = layout("sét", &[&["a"], &["b c", "#1"], &["..", "x"]]);
        check(&set, "http://w", 0, Some("http://w/s%C3%A9t/a"));
        check(&set, "http://w/", 1, Some("http://w/s%C3%A9t/b%20c/%231"));
        check(&set, "http://w/", 2, Some("http://w/s%C3%A9t/../x"));
        check(&set, "http://w/", 3, None);
        assert_eq!(Layout::of(b"de"), None);
    }

    #[test]
    fn a_torrent_of_v2_alone_has_its_files_where_its_tree_has_them() {
        let of = |files: &[(&str, usize)]| {
            let sample = torrent_of(Version::V2, 32 << 10, files);
            let layout = Layout::of(&sample.metainfo.info).unwrap();
            let count = u32::try_from(sample.metainfo.files.len()).unwrap();
            (0..count)
                .map(|file| layout.url("http://w/", testing::file(file)).unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(of(&[("film.mkv", 70_000)]), ["http://w/film.mkv"]);
        let several = of(&[("a.mkv", 70_000), ("b/c d", 5), ("b/empty", 0), ("e", 1)]);
        assert_eq!(
            several,
            ["a.mkv", "b/c%20d", "b/empty", "e"].map(|path| format!("http://w/Sample/{path}"))
        );
    }

    #[test]
    fn a_host_is_known_by_its_name_and_port() {
        for url in
            ["http://W.example:80/a", "https://u:p@w.example:80?x", "http://w.example:80#a@b"]
        {
            assert_eq!(host_of(url), "w.example:80", "{url}");
        }
    }

    #[test]
    fn a_fast_server_is_asked_for_more_and_a_watched_one_for_less() {
        let mut seed = WebSeed::new("http://w/".into(), WebHostId(1));
        assert_eq!(seed.run_bytes(false), FIRST_RUN);
        seed.succeeded(1 << 20, Duration::from_secs(1));
        assert_eq!((seed.run_bytes(true), seed.run_bytes(false)), (1 << 20, 4 << 20));
        seed.succeeded(u64::MAX, Duration::ZERO);
        assert_eq!(seed.run_bytes(false), MAX_RUN);
        let mut slow = WebSeed::new("http://w/".into(), WebHostId(1));
        slow.succeeded(1, Duration::from_secs(100));
        assert_eq!(slow.run_bytes(true), MIN_RUN);
        assert_eq!(slow.expected(1 << 10), Duration::from_secs(1));
    }

    #[test]
    fn failures_lengthen_the_back_off_and_missing_files_are_not_requested() {
        let mut seed = WebSeed::new("http://w/".into(), WebHostId(1));
        let at = |seconds: u64| Instant(seconds * 1_000_000);
        let mut fail = |failure, now| {
            seed.failed(testing::file(0), failure, at(now));
            seed.retry_at(at(now)).map(|at| at.0 / 1_000_000 - now)
        };
        assert_eq!([fail(Failure::Broken, 0), fail(Failure::Status(500), 5)], [Some(5), Some(10)]);
        assert_eq!(
            [fail(Failure::Status(503), 15), fail(Failure::Status(429), 60)],
            [Some(30), Some(40)]
        );
        assert_eq!(fail(Failure::Status(404), 100), None);
        assert!(
            !seed.has(testing::file(0)) && seed.has(testing::file(1)) && seed.is_usable(at(100))
        );
        (1..=100).for_each(|file| seed.failed(testing::file(file), Failure::Status(404), at(100)));
        assert!(!seed.is_hopeful() && !seed.is_usable(at(100)));
    }
}
