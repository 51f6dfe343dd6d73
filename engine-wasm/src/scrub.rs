//! Removes private data from the text of a problem report.
//!
//! It removes addresses, host names, file names, paths, keys and hashes, and removes too much
//! rather than too little. Invariant: the result contains no address, no host or file name with a
//! dot, and no word of 32 or more characters. Of a path at most the first folder is left, and of a
//! URL the scheme.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Length from which a word counts as a secret, characters. A secret is a key, a token or a hash.
const SECRET_LENGTH: usize = 32;
/// Length below which a name counts as a common word and is kept, characters.
const NAME_LENGTH: usize = 4;

/// Known private texts and their replacements.
#[derive(Debug, Default)]
pub(crate) struct Scrubber {
    /// Texts and replacements by the text's first characters, the longest first. The cost per line
    /// does not depend on the number of texts.
    known: HashMap<String, Vec<(String, String)>>,
}

impl Scrubber {
    /// Creates a scrubber that replaces these texts wherever they occur.
    pub(crate) fn new(known: BTreeMap<String, String>) -> Self {
        let mut by_head: HashMap<_, Vec<_>> = HashMap::new();
        for (text, instead) in known {
            if let Some(head) = head(&text) {
                by_head.entry(head.to_owned()).or_default().push((text, instead));
            }
        }
        for alike in by_head.values_mut() {
            alike.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        }
        Self { known: by_head }
    }

    /// Returns the line without private data.
    pub(crate) fn line(&self, line: &str) -> String {
        words(&without_paths(&self.without_known(line)))
    }

    fn without_known(&self, line: &str) -> String {
        let mut out = String::with_capacity(line.len());
        let mut rest = line;
        while let Some(c) = rest.chars().next() {
            let Some((text, instead)) = self.known_at(rest) else {
                out.push(c);
                rest = &rest[c.len_utf8()..];
                continue;
            };
            let is_quoted = out.ends_with(['"', '“']);
            out.push_str(instead);
            rest = &rest[text.len()..];
            if rest.starts_with(['/', '\\']) {
                // The rest of the path, below a known folder.
                out.push_str("/…");
                rest = &rest[path_end(rest, is_quoted)..];
            }
        }
        out
    }

    /// Returns the longest known text at the start of `text`.
    fn known_at(&self, text: &str) -> Option<&(String, String)> {
        self.known.get(head(text)?)?.iter().find(|(known, _)| text.starts_with(known.as_str()))
    }
}

/// Returns the first characters of a text. `None` if the text is shorter than any name.
fn head(text: &str) -> Option<&str> {
    let (last, c) = text.char_indices().nth(NAME_LENGTH - 1)?;
    text.get(..last + c.len_utf8())
}

/// Removes paths.
///
/// The end of a path cannot be determined, so everything after its start is removed, or everything
/// inside its quotation marks.
fn without_paths(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = path_begin(rest) {
        let (before, path) = rest.split_at(at);
        let end = path_end(path, before.ends_with(['"', '“']));
        out.push_str(before);
        out.push_str(&shown(&path[..end]));
        rest = &path[end..];
    }
    out.push_str(rest);
    out
}

/// Finds the start of a path: a slash or a drive letter at the start of a word, with text after it.
fn path_begin(text: &str) -> Option<usize> {
    let mut before = None;
    for (at, c) in text.char_indices() {
        let begins = before.is_none_or(|c: char| !c.is_alphanumeric() && c != '/');
        let rest = &text[at..];
        let second = rest.chars().nth(1);
        let is_unix = c == '/' && second.is_some_and(|c| !c.is_whitespace() && c != '/');
        // A path on a server (`//host/…`), not a URL.
        let is_remote = before != Some(':') && c == '/' && second == Some('/');
        let is_here =
            ["~/", "./", "../", "\\\\", "file:"].iter().any(|begin| rest.starts_with(begin));
        let mut drive = rest.chars();
        let is_drive = drive.next().is_some_and(|c| c.is_ascii_alphabetic())
            && drive.next() == Some(':')
            && drive.next().is_some_and(|c| matches!(c, '\\' | '/'))
            && drive.next() != Some('/');
        if begins && (is_unix || is_remote || is_here || is_drive) {
            return Some(at);
        }
        before = Some(c);
    }
    None
}

/// Finds the end of a path. A quoted path ends at the last quotation mark of the line, because
/// names may contain such marks.
fn path_end(path: &str, is_quoted: bool) -> usize {
    path.rfind(['"', '”']).filter(|_| is_quoted).unwrap_or(path.len())
}

/// Shortens a path: the home folder becomes `~`, and below the first folder nothing remains.
fn shown(path: &str) -> String {
    let is_home = ["/home/", "/Users/", "/root", "~"].iter().any(|home| path.starts_with(home));
    let is_windows_home =
        path.get(1..).is_some_and(|rest| rest.replace('\\', "/").starts_with(":/Users/"));
    if is_home || is_windows_home {
        return "~/…".to_owned();
    }
    let separator = if path.contains('\\') { '\\' } else { '/' };
    let first = path.split(separator).find(|part| !part.is_empty()).unwrap_or_default();
    // System folders and drive letters are not private.
    let is_common =
        ["var", "usr", "opt", "etc", "tmp", "run", "mnt", "media", "srv", "dev", "proc"]
            .contains(&first)
            || first.ends_with(':');
    if is_common { format!("/{first}/…") } else { "/…".to_owned() }
}

/// Replaces each word that is an address, a URL or a secret.
fn words(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut word = String::new();
    for c in line.chars() {
        // A URL extends to the next space.
        let is_url = word.contains("://") || is_magnet(&word);
        let is_mark = matches!(
            c,
            '"' | '“' | '”' | '\'' | '(' | ')' | '<' | '>' | ',' | ';' | '=' | '{' | '}'
        );
        if c.is_whitespace() || (is_mark && !is_url) {
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
    let core =
        word.trim_end_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '/' | ']' | '…'));
    let tail = &word[core.len()..];
    if is_magnet(core) {
        return format!("magnet:…{tail}");
    }
    if let Some((before, _)) = core.split_once("://") {
        let scheme = before.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        return format!("{scheme}://…{tail}");
    }
    if holds_address(core) {
        return format!("‹address›{tail}");
    }
    let is_long = |part: &str| part.chars().count() >= SECRET_LENGTH;
    let mut parts =
        core.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '+' | '%')));
    if parts.any(is_long) {
        return format!("‹secret›{tail}");
    }
    // The rest of a path whose start was removed.
    let has_slash = core.contains('/') && core.chars().any(char::is_alphabetic);
    let is_relative_path = has_slash && !is_rate(core) && !core.ends_with("/…");
    let is_name = !is_product(core) && !is_time(core) && (is_relative_path || is_dotted(core));
    if is_name { format!("‹name›{tail}") } else { word.to_owned() }
}

fn is_magnet(word: &str) -> bool {
    word.to_ascii_lowercase().contains("magnet:")
}

/// Returns whether the word contains an address anywhere.
fn holds_address(word: &str) -> bool {
    if word.parse::<SocketAddr>().is_ok() {
        return true;
    }
    let is_v4 = |run: &str| {
        let groups: Vec<_> = run.split('.').filter(|group| !group.is_empty()).collect();
        groups
            .windows(4)
            .any(|four| four.join(".").parse::<Ipv4Addr>().is_ok() && four[1..] != ["0"; 3])
    };
    let is_v6 = |run: &str| {
        let run = run.trim_end_matches('.');
        let bare = run.strip_suffix(':').filter(|bare| !bare.ends_with(':')).unwrap_or(run);
        let has_digit = run.contains(|c: char| c.is_ascii_digit());
        // Module names also have double colons, and the time of day single ones.
        let looks_so = has_digit && (run.contains("::") || run.matches(':').count() >= 4);
        looks_so || (has_digit && bare.parse::<Ipv6Addr>().is_ok())
    };
    word.split(|c: char| !c.is_ascii_digit() && c != '.').any(is_v4)
        || word.split(|c: char| !c.is_ascii_hexdigit() && !matches!(c, '.' | ':')).any(is_v6)
        || word
            .trim_matches(['[', ']'])
            .split('%')
            .next()
            .is_some_and(|ip| ip.contains(':') && ip.parse::<IpAddr>().is_ok())
}

/// Returns whether the word is a rate such as `MB/s`.
fn is_rate(word: &str) -> bool {
    word.split_once('/').is_some_and(|(_, per)| matches!(per, "s" | "h" | "min"))
}

/// Returns whether the word is a product such as `Chrome/150.0`.
fn is_product(word: &str) -> bool {
    let Some((name, version)) = word.split_once('/') else { return false };
    let is_version = !version.is_empty() && version.chars().all(|c| c.is_ascii_digit() || c == '.');
    is_version && name.chars().all(|c| c.is_ascii_alphanumeric())
}

/// Returns whether the word is a timestamp of the daemon's log, `2026-01-31T12:34:56.789Z`.
fn is_time(word: &str) -> bool {
    let Some((day, time)) = word.split_once('T') else { return false };
    let is_made_of =
        |text: &str, mark: &[char]| text.chars().all(|c| c.is_ascii_digit() || mark.contains(&c));
    word.ends_with('Z')
        && is_made_of(day, &['-'])
        && is_made_of(time.trim_end_matches('Z'), &[':', '.'])
}

/// Returns whether the word is a host or file name with a dot. `tracker.example.org` and `film.mkv`
/// are such words.
///
/// Versions such as `6.1.0-21-amd64` and numbers with a unit are not.
fn is_dotted(word: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| !c.is_whitespace() && c != '.');
    let has_dot = word.match_indices('.').any(|(at, _)| {
        is_part(word[..at].chars().next_back()) && is_part(word[at + 1..].chars().next())
    });
    let bare = word.trim_start_matches(|c: char| !c.is_alphanumeric());
    let mut parts = bare.strip_prefix('v').unwrap_or(bare).split('.');
    let is_number = parts.next().is_some_and(|part| part.chars().all(|c| c.is_ascii_digit()))
        && parts.all(|part| part.starts_with(|c: char| c.is_ascii_digit()));
    has_dot && word.chars().any(char::is_alphabetic) && !is_number
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scrubber() -> Scrubber {
        let known = [
            ("A secret film", "torrent 1"),
            ("A secret film.mkv", "file 1 of torrent 1"),
            ("Jane’s", "folder 1"),
            ("a", "never"),
        ];
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
        check("[1.2.3.4:80 in 1.2.3.4/24 or peer/1.2.3.4", "‹address› in ‹address› or ‹address›");
        check("x2001:db8:0:1:2:3:4:5 or |::ffff:1.2.3.4|", "‹address› or ‹address›|");
    }

    #[test]
    fn host_names_are_removed_and_versions_kept() {
        check("not registered at tracker.example.org", "not registered at ‹name›");
        check("(@t.example.org), bücher.example!", "(‹name›), ‹name›!");
        check("4.example.org and 1337x.example or film.Z", "‹name› and ‹name› or ‹name›");
        let plain = "Engine: 0.1.0 v1.2.3 on linux 6.1.0-21-amd64, 2.5MB at 12:34:56. \
                     INFO engine_wasm::engine::http: ok";
        check(plain, plain);
        let logged = "2026-01-31T12:34:56.789012Z  INFO jstorrent_io_daemon::control: \
                      engine connected epoch=1";
        check(logged, logged);
        check("Chrome/150.0.0.0 Safari/537.36", "Chrome/150.0.0.0 Safari/537.36");
    }

    #[test]
    fn keys_and_hashes_are_removed() {
        check(&format!("token={} ok", "ab".repeat(32)), "token=‹secret› ok");
        check(&format!("torrent={}", "0f".repeat(20)), "torrent=‹secret›");
        check("udp://t.example.org:80/0123abcd/announce refused", "udp://… refused");
        check("magnet:?xt=urn:btih:00&dn=A is no link", "magnet:… is no link");
        check("(http://t.example.org/a?passkey=abc), again", "(http://…), again");
        check("[magnet:?dn=A and jane@x|http://t.example.org/", "magnet:… and http://…");
    }

    #[test]
    fn paths_are_cut_after_their_first_folder() {
        check("cannot open /home/jane/Films/My film.mkv: denied", "cannot open ~/…");
        check("cannot open /home/jane/Bob's secret film.mkv", "cannot open ~/…");
        check("file=/media/disk/Secret, things (all); x size=3", "file=/media/…");
        check("at \"/root/x y\" and", "at \"~/…\" and");
        check("in C:\\Users\\jane\\z (full)", "in ~/…");
        check("path:/home/jane/x y and file:///home/jane/x y", "path:~/…");
        check("Show/S1/e1.mkv is missing", "‹name› is missing");
        check("takes 20 kB/s", "takes 20 kB/s");
        check("Browser: Chrome/150.0.1", "Browser: Chrome/150.0.1");
    }

    #[test]
    fn known_names_are_removed() {
        check("“A secret film.mkv” of A secret film", "“file 1 of torrent 1” of torrent 1");
        check("a film", "a film");
        check("in Jane’s/My own film, and more", "in folder 1/…");
        check("in “Jane’s/My own film” it is", "in “folder 1/…” it is");
    }

    proptest! {
        /// A marker within a path or URL is followed by more private text.
        #[test]
        fn no_secret_survives_in_any_context(
            before in "([a-z ]{0,8}[ =(:,;'|@\\[])?",
            after in "([ \"'),:;.\\]|/][a-z ]{0,8})?",
            mark in "[ \"'),:;.|=”-]{0,3}",
            secret in prop::sample::select(vec![
                "203.0.113.9", "203.0.113.9:51413", "[2001:db8::9]:51413",
                "0123456789abcdef0123456789abcdef01234567",
                "tracker.example", "tracker.example:80", "/home/jane/pri*vate",
                "C:\\Users\\jane\\pri*vate",
                "“/home/jane/pri*vate”", "\"/home/jane/pri*vate\"", "Jane’s/pri*vate",
                "https://t.example/passkey/announce", "https://t.example/+passkey/announce",
            ]),
        ) {
            // A URL ends at a space.
            let no_space = mark.replace(' ', "");
            let secret = secret.replace('*', &mark).replace('+', &no_space);
            let line = scrubber().line(&format!("{before}{secret}{after}"));
            for part in [
                "203.0.113", "2001:db8", "0123456789abcdef", "jane", "Jane", "vate", "passkey",
                "example",
            ] {
                prop_assert!(!line.contains(part), "{}", line);
            }
        }

        #[test]
        fn any_line_is_accepted(text in ".*") {
            let _ = scrubber().line(&text);
        }
    }

    #[test]
    fn the_cost_of_a_line_does_not_grow_with_the_known_texts() {
        let known =
            (0..20_000).map(|number| (format!("{number:05} is a name"), "x".to_owned())).collect();
        let scrubber = Scrubber::new(known);
        assert!(scrubber.known.values().all(|alike| alike.len() <= 10));
        assert_eq!(scrubber.line("the 00017 is a name"), "the x");
    }
}
