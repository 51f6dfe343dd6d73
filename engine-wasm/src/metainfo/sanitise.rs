//! Makes safe, distinct file paths from the names in a torrent.
//!
//! This module owns the rules for names and the set of paths assigned so far. It touches no disk.
//! Two rules exist ([`Rule`]). The first keeps names as they stand in the torrent, changed only
//! where no supported disk could store them. The second makes names that every disk accepts, for
//! disks that refuse the former. Invariant: every component that this module returns is 1 to
//! [`MAX_COMPONENT`] bytes long, has no `/` and no control characters, and is neither `.` nor `..`.
//! No two files have equal paths, and no file's path is the folder of another file. Under
//! [`Rule::Anywhere`] no component is reserved on Windows, and paths also differ on a disk that
//! ignores case. Equal input gives equal paths, so a torrent that is added again finds its files.
//!
//! The daemon checks every path again with its own rules.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Longest component in bytes: the limit of Linux and macOS.
pub(crate) const MAX_COMPONENT: usize = shared_proto::path::MAX_COMPONENT_BYTES;
/// Longest extension kept when a long name is shortened, in bytes, including the dot.
const MAX_EXTENSION: usize = 32;
/// Bytes to reserve for ` (4294967295)`.
const SUFFIX_ROOM: usize = 13;

/// Returns the closest safe component on every system.
///
/// Bytes that are not UTF-8 become `U+FFFD`; characters that any system refuses become `_`.
pub(crate) fn component(name: &[u8]) -> String {
    let name: String =
        String::from_utf8_lossy(name).chars().map(|c| if is_unsafe(c) { '_' } else { c }).collect();
    // Windows drops dots and spaces at the end, so two names could collide there. This also removes
    // `.` and `..`.
    let name = name.trim_end_matches(['.', ' ']);
    let (stem, extension) = split_extension(name);
    let mut safe = with_extension(stem, extension, MAX_COMPONENT - 1);
    if extension.is_empty() {
        safe.truncate(safe.trim_end_matches(['.', ' ']).len());
    }
    match safe.as_str() {
        "" => "_".to_owned(),
        name if is_reserved(name) => format!("_{name}"),
        _ => safe,
    }
}

/// Which characters of a name are replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Only what Linux refuses, and characters that disguise a name.
    AsNamed,
    /// Everything that any system refuses.
    #[default]
    Anywhere,
}

/// Returns a name as the torrent gives it, where a path allows that.
///
/// Replaces `/`, control characters and characters that change the direction of text, and shortens
/// the name to [`MAX_COMPONENT`] bytes. Bytes that are not UTF-8 become `U+FFFD`.
pub(crate) fn as_named(name: &[u8]) -> String {
    let replaced = |c: char| if c == '/' || is_hidden(c) { '_' } else { c };
    let name: String = String::from_utf8_lossy(name).chars().map(replaced).collect();
    if matches!(name.as_str(), "" | "." | "..") {
        return component(name.as_bytes());
    }
    let (stem, extension) = split_extension(&name);
    with_extension(stem, extension, MAX_COMPONENT)
}

/// Adds a number to a safe name: `film (2).mp4` for a file, `Film. (2)` for a folder.
pub(crate) fn numbered(name: &str, number: u32, is_file: bool) -> String {
    let (stem, extension) = if is_file { split_extension(name) } else { (name, "") };
    with_extension(stem, &format!(" ({number}){extension}"), MAX_COMPONENT)
}

/// Shortens a name to at most `most` bytes, between characters. A file keeps its extension.
pub(crate) fn shortened(name: &str, most: usize, is_file: bool) -> String {
    let (stem, extension) = if is_file { split_extension(name) } else { (name, "") };
    if name.len() <= most { name.to_owned() } else { with_extension(stem, extension, most) }
}

/// Path separators, characters that Windows reserves, and hidden characters ([`is_hidden`]).
fn is_unsafe(c: char) -> bool {
    matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|') || is_hidden(c)
}

/// Control characters, and characters that change the direction of text to disguise an extension.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Device names on Windows, with any extension.
fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end_matches(' ').to_ascii_uppercase();
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") {
        return true;
    }
    let number = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    number.is_some_and(|number| {
        let mut digits = number.chars();
        matches!(digits.next(), Some('0'..='9' | '¹' | '²' | '³')) && digits.next().is_none()
    })
}

/// Splits a name into stem and extension. The extension includes its dot and may be empty.
fn split_extension(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= MAX_EXTENSION => name.split_at(dot),
        _ => (name, ""),
    }
}

/// Joins stem and extension, in at most `most` bytes. Shortens the stem if necessary.
fn with_extension(stem: &str, extension: &str, most: usize) -> String {
    let room = most.saturating_sub(extension.len());
    format!("{}{extension}", &stem[..stem.floor_char_boundary(room)])
}

/// Folds case as a disk that ignores case does.
fn fold(name: &str) -> String {
    name.to_uppercase().to_lowercase()
}

/// A folder whose name is assigned.
#[derive(Clone, Debug)]
struct Folder {
    id: u32,
    name: String,
}

#[derive(Debug)]
enum Taken {
    File,
    Folder(Folder),
}

/// Assigns a distinct path to each file of a torrent.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    rule: Rule,
    /// Assigned names, by parent folder and folded name. Folder 0 is the root.
    taken: BTreeMap<(u32, String), Taken>,
    /// Folders that were renamed, by parent folder and the name in the torrent.
    renamed: BTreeMap<(u32, String), Folder>,
    /// The next number to try, by parent folder and folded name without the number.
    numbers: BTreeMap<(u32, String), u32>,
    folders: u32,
}

impl Paths {
    /// Creates an empty set of paths.
    pub(crate) fn new(rule: Rule) -> Self {
        Self { rule, ..Self::default() }
    }

    fn name(&self, name: &[u8]) -> String {
        match self.rule {
            Rule::AsNamed => as_named(name),
            Rule::Anywhere => component(name),
        }
    }

    /// Folds a name for comparison.
    fn fold(&self, name: &str) -> String {
        match self.rule {
            Rule::AsNamed => name.to_owned(),
            Rule::Anywhere => fold(name),
        }
    }

    /// Returns a safe path for a file, distinct from all earlier ones.
    ///
    /// A file without components becomes `_`.
    pub(crate) fn file<'a>(
        &mut self,
        components: impl IntoIterator<Item = &'a [u8]>,
    ) -> Vec<String> {
        let mut names: Vec<String> = components.into_iter().map(|name| self.name(name)).collect();
        let name = names.pop().unwrap_or_else(|| self.name(b""));
        let mut parent = 0;
        for name in &mut names {
            let folder = self.folder(parent, std::mem::take(name));
            (parent, *name) = (folder.id, folder.name);
        }
        names.push(self.claim(parent, name, Taken::File));
        names
    }

    /// Returns the folder of this name. Renames the folder if a file has the name already.
    fn folder(&mut self, parent: u32, name: String) -> Folder {
        let wanted = (parent, self.fold(&name));
        if let Some(Taken::Folder(folder)) = self.taken.get(&wanted) {
            return folder.clone();
        }
        if let Some(folder) = self.renamed.get(&wanted) {
            return folder.clone();
        }
        self.folders += 1;
        let id = self.folders;
        let given = self.claim(parent, name, Taken::Folder(Folder { id, name: String::new() }));
        let folder = Folder { id, name: given };
        let key = (parent, self.fold(&folder.name));
        if key != wanted {
            self.renamed.insert(wanted, folder.clone());
        }
        self.taken.insert(key, Taken::Folder(folder.clone()));
        folder
    }

    /// Assigns the name in the folder, or the next free name with a number.
    fn claim(&mut self, parent: u32, name: String, taken: Taken) -> String {
        let folded = self.fold(&name);
        if let Entry::Vacant(free) = self.taken.entry((parent, folded)) {
            free.insert(taken);
            return name;
        }
        let (stem, extension) = split_extension(&name);
        let stem = &stem[..stem.floor_char_boundary(MAX_COMPONENT - SUFFIX_ROOM - extension.len())];
        // Names that are equal after shortening share one counter, so that many equal names do not
        // each try every number.
        let shape = (parent, self.fold(&format!("{stem}/{extension}")));
        let mut number = self.numbers.remove(&shape).unwrap_or(2);
        loop {
            let candidate = format!("{stem} ({number}){extension}");
            number += 1;
            let folded = self.fold(&candidate);
            if let Entry::Vacant(free) = self.taken.entry((parent, folded)) {
                self.numbers.insert(shape, number);
                free.insert(taken);
                return candidate;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn check(name: impl AsRef<[u8]>, expected: &str) {
        assert_eq!(component(name.as_ref()), expected, "{}", name.as_ref().escape_ascii());
    }

    /// Assigns a path to each file and compares them, joined with `/`.
    fn check_paths(files: &[&str], expected: &[&str]) {
        let mut paths = Paths::default();
        let got: Vec<String> = files
            .iter()
            .map(|file| paths.file(file.split('/').map(str::as_bytes)).join("/"))
            .collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for name in [
            "film.mp4",
            "a..b",
            "Ünïcödé – 映画.mkv",
            ".hidden",
            "a b (c) [d]",
            "CONSOLE",
            "COM10",
            "nul_",
        ] {
            check(name, name);
        }
    }

    #[test]
    fn dot_names_and_empty_names_become_an_underscore() {
        for name in ["", ".", "..", "...", " ", ". .", "../"] {
            assert!(["_", ".._"].contains(&component(name.as_bytes()).as_str()), "{name}");
        }
    }

    #[test]
    fn separators_and_control_characters_are_replaced() {
        check("../../etc/passwd", ".._.._etc_passwd");
        check("C:\\windows\\x", "C__windows_x");
        check("a\0b\nc\x7fd\u{85}e", "a_b_c_d_e");
        check("evil\u{202e}4pm.exe", "evil_4pm.exe");
        check("what?.mp4", "what_.mp4");
    }

    #[test]
    fn bytes_that_are_not_utf8_become_replacement_characters() {
        check(b"caf\xe9.mp3", "caf\u{fffd}.mp3");
    }

    #[test]
    fn trailing_dots_and_spaces_are_removed() {
        check("film. .", "film");
        check(" film", " film");
    }

    #[test]
    fn device_names_are_changed() {
        check("CON", "_CON");
        check("nul.", "_nul");
        check("aux.mp4", "_aux.mp4");
        check("Com1 .x", "_Com1 .x");
        check("LPT².txt", "_LPT².txt");
    }

    #[test]
    fn a_long_name_keeps_its_extension_and_whole_characters() {
        check("a".repeat(300) + ".mkv", &("a".repeat(250) + ".mkv"));
        check("é".repeat(200) + ".mkv", &("é".repeat(125) + ".mkv"));
        check("a".repeat(255), &"a".repeat(254));
        check(format!("CON{}x", " ".repeat(300)), "_CON");
        check(format!("a.{}", "b".repeat(300)), &format!("a.{}", "b".repeat(252)));
    }

    #[test]
    fn a_number_is_inserted_before_the_extension_and_fits() {
        assert_eq!(numbered("film.mp4", 2, true), "film (2).mp4");
        assert_eq!(numbered("Film 1.5", 3, false), "Film 1.5 (3)");
        let long = numbered(&format!("{}.mp4", "é".repeat(125)), 17, true);
        assert!(long.ends_with("é (17).mp4") && long.len() <= MAX_COMPONENT, "{long}");
    }

    #[test]
    fn files_with_equal_names_are_numbered() {
        check_paths(
            &["a.mp4", "A.MP4", "a.mp4", "a (2).mp4"],
            &["a.mp4", "A (2).MP4", "a (3).mp4", "a (2) (2).mp4"],
        );
        check_paths(&["x/a", "y/a", "x/a"], &["x/a", "y/a", "x/a (2)"]);
    }

    #[test]
    fn folders_that_differ_in_case_are_merged() {
        check_paths(
            &["Extras/a", "extras/b", "EXTRAS/A"],
            &["Extras/a", "Extras/b", "Extras/A (2)"],
        );
    }

    #[test]
    fn a_file_and_a_folder_with_one_name_get_different_names() {
        check_paths(&["a", "a/b", "a/c", "A"], &["a", "a (2)/b", "a (2)/c", "A (3)"]);
        check_paths(&["a/b", "a"], &["a/b", "a (2)"]);
    }

    #[test]
    fn a_hundred_thousand_equal_names_are_numbered_quickly() {
        let mut paths = Paths::default();
        let long = "x".repeat(250);
        let distinct: BTreeSet<_> =
            (0..100_000).map(|i| paths.file([format!("{long}{}", i / 2).as_bytes()])).collect();
        assert_eq!(distinct.len(), 100_000);
    }

    #[test]
    fn a_name_that_linux_accepts_is_kept_as_named() {
        for name in [
            "a: b?.mkv",
            "aux.mkv",
            "back\\slash",
            "trailing. ",
            "\u{e9}",
            "e\u{301}",
            &"x".repeat(255),
        ] {
            assert_eq!(as_named(name.as_bytes()), name);
        }
        assert_eq!(as_named(b"a/b\0c\x1bd"), "a_b_c_d");
        assert_eq!(as_named("evil\u{202e}4pm.exe".as_bytes()), "evil_4pm.exe");
        assert!(!["", ".", ".."].contains(&as_named(b"..").as_str()));
        let long = as_named(("é".repeat(300) + ".mkv").as_bytes());
        assert!(long.ends_with("é.mkv") && long.len() <= MAX_COMPONENT, "{long}");
    }

    #[test]
    fn names_that_differ_in_case_or_normal_form_stay_distinct_as_named() {
        let mut paths = Paths::new(Rule::AsNamed);
        let files = ["x/A.mkv", "x/a.mkv", "X/a.mkv", "\u{e9}", "e\u{301}", "x/a.mkv"];
        let given: Vec<String> = files
            .iter()
            .map(|file| paths.file(file.split('/').map(str::as_bytes)).join("/"))
            .collect();
        assert_eq!(given, ["x/A.mkv", "x/a.mkv", "X/a.mkv", "\u{e9}", "e\u{301}", "x/a (2).mkv"]);
    }

    fn hostile_name() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..12),
            "[abAB./ ]{0,3}".prop_map(String::into_bytes),
            "(CON|nul|a|A| )[. ]{0,2}( \\([23]\\))?(\\.x)?".prop_map(String::into_bytes),
            ("[aé]", 240usize..270, ".{0,4}")
                .prop_map(|(c, n, end)| (c.repeat(n) + &end).into_bytes()),
        ]
    }

    proptest! {
        #[test]
        fn any_input_yields_safe_distinct_paths(
            files in prop::collection::vec(prop::collection::vec(hostile_name(), 0..4), 0..40),
        ) {
            let mut paths = Paths::new(Rule::AsNamed);
            let mut given = BTreeSet::new();
            for file in &files {
                let path = paths.file(file.iter().map(Vec::as_slice));
                for name in &path {
                    prop_assert!((1..=MAX_COMPONENT).contains(&name.len()), "{name:?}");
                    prop_assert!(
                        !name.contains('/')
                            && !name.chars().any(is_hidden)
                            && name != "."
                            && name != ".."
                    );
                }
                prop_assert!(given.insert(path.clone()), "{path:?} twice");
            }
            prop_assert!(
                given
                    .iter()
                    .all(|path| (1..path.len()).all(|depth| !given.contains(&path[..depth])))
            );
            let mut paths = Paths::default();
            let given: Vec<Vec<String>> =
                files.iter().map(|f| paths.file(f.iter().map(Vec::as_slice))).collect();
            let mut files = BTreeSet::new();
            let mut folders = BTreeSet::new();
            for path in &given {
                prop_assert!(!path.is_empty());
                for name in path {
                    prop_assert!((1..=MAX_COMPONENT).contains(&name.len()), "{name:?}");
                    prop_assert!(
                        !name.chars().any(is_unsafe) && !name.ends_with(['.', ' ']),
                        "{name:?}"
                    );
                    prop_assert!(!is_reserved(name), "{name:?}");
                }
                let folded: Vec<String> = path.iter().map(|name| fold(name)).collect();
                folders.extend((1..folded.len()).map(|depth| folded[..depth].to_vec()));
                prop_assert!(files.insert(folded), "{path:?} twice");
            }
            prop_assert!(files.is_disjoint(&folders));
        }
    }
}
