//! What a report must not tell, taken out of any text: addresses, names, paths, keys, hashes.
//!
//! Pure text. It would rather take out too much: whatever looks like a secret is one. Invariant: what comes out holds no address, no path below its first
//! folder, no URL beyond its scheme, and no word of 32 letters or more.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// A word at least this long is taken for a key, a token or a hash, characters.
const SECRET_LENGTH: usize = 32;
/// Shorter names than this are common words, and are left.
const NAME_LENGTH: usize = 4;

/// What is known to be secret, and what stands for it.
#[derive(Debug, Default)]
pub(crate) struct Scrubber {
    /// The longest first.
    known: Vec<(String, String)>,
}

impl Scrubber {
    /// These texts are replaced wherever they are found.
    pub(crate) fn new(known: BTreeMap<String, String>) -> Self {
        let mut known: Vec<_> = known.into_iter().filter(|(text, _)| text.chars().count() >= NAME_LENGTH).collect();
        known.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        Self { known }
    }

    /// A line without what it must not tell.
    pub(crate) fn line(&self, line: &str) -> String {
        let mut line = line.to_owned();
        for (text, instead) in &self.known {
            if line.contains(text.as_str()) {
                line = line.replace(text.as_str(), instead);
            }
        }
        words(&without_paths(&line))
    }
}

/// Paths end where the text around them goes on, which nobody can tell for sure: they take what is up to the next mark with them.
fn without_paths(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = path_begin(rest) {
        let (before, path) = rest.split_at(at);
        let end = path_end(path);
        out.push_str(before);
        out.push_str(&shown(&path[..end]));
        rest = &path[end..];
    }
    out.push_str(rest);
    out
}

/// Where a path begins: a slash or a drive letter at the beginning of a word, with something behind it.
fn path_begin(text: &str) -> Option<usize> {
    let mut before = None;
    for (at, c) in text.char_indices() {
        let begins = before.is_none_or(|c: char| !c.is_alphanumeric() && !matches!(c, '/' | ':' | '.' | '>'));
        let rest = &text[at..];
        let mut next = rest.chars().skip(1);
        let is_unix = c == '/' && next.clone().next().is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_'));
        let is_home = c == '~' && next.next() == Some('/');
        let mut drive = rest.chars();
        let is_drive = drive.next().is_some_and(|c| c.is_ascii_alphabetic())
            && drive.next() == Some(':')
            && drive.next().is_some_and(|c| matches!(c, '\\' | '/'))
            && drive.next() != Some('/');
        if begins && (is_unix || is_home || is_drive || rest.starts_with("\\\\")) {
            return Some(at);
        }
        before = Some(c);
    }
    None
}

fn path_end(path: &str) -> usize {
    let marks = ["\"", "”", "“", "'", ": ", ", ", "; ", ")"];
    let mark = marks.iter().filter_map(|mark| path.find(mark)).min().unwrap_or(path.len());
    // A field of the log: ` name=`.
    let field = path.match_indices(' ').find(|(at, _)| {
        let word = &path[at + 1..];
        let name = word.split('=').next().unwrap_or_default();
        name.len() < word.len() && !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    });
    mark.min(field.map_or(path.len(), |(at, _)| at))
}

/// A path as far as it may be told: the home folder is `~`, and of all else only the first folder is named.
fn shown(path: &str) -> String {
    let is_home = ["/home/", "/Users/", "/root", "~"].iter().any(|home| path.starts_with(home));
    let is_windows_home = path.get(1..).is_some_and(|rest| rest.replace('\\', "/").starts_with(":/Users/"));
    if is_home || is_windows_home {
        return "~/…".to_owned();
    }
    let separator = if path.contains('\\') { '\\' } else { '/' };
    let first = path.split(separator).find(|part| !part.is_empty()).unwrap_or_default();
    // The folders of a system are no secret; a drive's letter isn't, either.
    let is_common = ["var", "usr", "opt", "etc", "tmp", "run", "mnt", "media", "srv", "dev", "proc"].contains(&first)
        || first.ends_with(':');
    if is_common { format!("/{first}/…") } else { "/…".to_owned() }
}

/// Each word that is an address, a URL or a secret is replaced.
fn words(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut word = String::new();
    for c in line.chars() {
        // A query and its values belong to their URL.
        let is_url = word.contains("://") || word.starts_with("magnet:");
        let ends_url = c.is_whitespace() || matches!(c, '"' | '“' | '”' | '<' | '>');
        if is_url && !ends_url {
            word.push(c);
        } else if c.is_whitespace()
            || matches!(c, '"' | '“' | '”' | '\'' | '(' | ')' | '<' | '>' | ',' | ';' | '=' | '{' | '}')
        {
            out.push_str(&scrubbed(&word));
            word.clear();
            out.push(c);
        } else {
            word.push(c);
        }
    }
    out.push_str(&scrubbed(&word));
    out
}

fn scrubbed(word: &str) -> String {
    let core = word.trim_end_matches(['.', ':', '!', '?', ',', ')', ';', '\'']);
    let tail = &word[core.len()..];
    if let Some((scheme, _)) = core.split_once("://") {
        return format!("{scheme}://…{tail}");
    }
    if core.to_ascii_lowercase().starts_with("magnet:") {
        return format!("magnet:…{tail}");
    }
    if is_address(core) {
        return format!("‹address›{tail}");
    }
    let is_long = |part: &str| part.chars().count() >= SECRET_LENGTH;
    let parts = core.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '+' | '%')));
    if parts.clone().any(is_long) {
        return format!("‹secret›{tail}");
    }
    // What is left of a path that has no beginning, and hosts with a port.
    let has_slash = core.contains('/') && core.chars().any(char::is_alphabetic);
    let is_relative_path = has_slash && !is_rate(core) && !is_product(core) && !core.ends_with("/…");
    if is_relative_path || is_host(core) { format!("‹name›{tail}") } else { word.to_owned() }
}

fn is_address(word: &str) -> bool {
    let bare = word.trim_matches(['[', ']']);
    word.parse::<SocketAddr>().is_ok() || (bare.parse::<IpAddr>().is_ok() && bare.contains(['.', ':']))
        // A scope, as of link-local addresses.
        || bare.split_once('%').is_some_and(|(ip, _)| ip.parse::<IpAddr>().is_ok())
}

/// `MB/s` and the like.
fn is_rate(word: &str) -> bool {
    word.split_once('/').is_some_and(|(_, per)| matches!(per, "s" | "h" | "min"))
}

/// `Chrome/150.0`
fn is_product(word: &str) -> bool {
    let Some((name, version)) = word.split_once('/') else { return false };
    let is_version = !version.is_empty() && version.chars().all(|c| c.is_ascii_digit() || c == '.');
    is_version && name.chars().all(|c| c.is_ascii_alphanumeric())
}

/// `tracker.example.org:6969`
fn is_host(word: &str) -> bool {
    let Some((host, port)) = word.rsplit_once(':') else { return false };
    port.parse::<u16>().is_ok() && host.contains('.') && host.chars().any(char::is_alphabetic)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scrubber() -> Scrubber {
        let known = [("A secret film", "torrent 1"), ("A secret film.mkv", "file 1 of torrent 1"), ("a", "never")];
        Scrubber::new(known.map(|(text, instead)| (text.to_owned(), instead.to_owned())).into())
    }

    fn check(line: &str, expected: &str) {
        assert_eq!(scrubber().line(line), expected);
    }

    #[test]
    fn addresses_go_in_any_form() {
        check("peer 192.0.2.7:6881 gone", "peer ‹address› gone");
        check("from [2001:db8::1]:6881, and fe80::1%eth0.", "from ‹address›, and ‹address›.");
        check("addr=10.0.0.3 asked tracker.example.org:6969", "addr=‹address› asked ‹name›");
    }

    #[test]
    fn keys_and_hashes_go() {
        check(&format!("token={} ok", "ab".repeat(32)), "token=‹secret› ok");
        check(&format!("torrent={}", "0f".repeat(20)), "torrent=‹secret›");
        check("udp://t.example.org:80/0123abcd/announce refused", "udp://… refused");
        check("magnet:?xt=urn:btih:00&dn=A is no link", "magnet:… is no link");
        check("(http://t.example.org/a?passkey=abc), again", "(http://…), again");
    }

    #[test]
    fn paths_say_no_more_than_where_they_begin() {
        check("cannot open /home/jane/Films/My film.mkv: denied", "cannot open ~/…: denied");
        check("file=/media/disk/Secret things/x.mkv size=3", "file=/media/… size=3");
        check("at \"/root/x y\" and C:\\Users\\jane\\z (full)", "at \"~/…\" and ~/…)");
        check("Show/S1/e1.mkv is missing", "‹name› is missing");
        check("takes 20 kB/s", "takes 20 kB/s");
        check("Browser: Chrome/150.0.1", "Browser: Chrome/150.0.1");
    }

    #[test]
    fn names_that_are_known_go() {
        check("“A secret film.mkv” of A secret film", "“file 1 of torrent 1” of torrent 1");
        check("a film", "a film");
    }

    proptest! {
        #[test]
        fn no_secret_survives_whatever_stands_around_it(
            before in "[a-z =\"(:,]{0,12}", after in "[ a-z\"),:.]{0,12}",
            secret in prop::sample::select(vec![
                "203.0.113.9", "203.0.113.9:51413", "[2001:db8::9]:51413", "0123456789abcdef0123456789abcdef01234567",
                "/home/jane/private", "https://t.example.org/passkey/announce",
            ]),
        ) {
            let line = scrubber().line(&format!("{before} {secret} {after}"));
            for part in ["203.0.113", "2001:db8", "0123456789abcdef", "jane", "passkey", "example"] {
                prop_assert!(!line.contains(part), "{}", line);
            }
        }

        #[test]
        fn any_text_is_taken(text in ".*") {
            let _ = scrubber().line(&text);
        }
    }
}
