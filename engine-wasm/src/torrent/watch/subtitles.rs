//! Matches subtitle files to films by their names.
//!
//! Pure text comparison; it reads no file. A subtitle file belongs to films in its own folder, or
//! in the parent of a subtitle folder. It must have the film's name, be in a folder of that name,
//! or name the same episode, unless there is only one film.

use std::collections::BTreeMap;

use crate::geometry::{BlockIndex, FileIndex, each_piece};
use crate::marks;
use crate::media;
use crate::pick::piece_map::PieceState;
use crate::pick::verified::Verified;
use crate::pick::want::Want;
use crate::time::Instant;
use crate::view::SubtitleView;

/// Bytes of one film's subtitles that are downloaded first.
const FIRST: u64 = 2 << 20;
/// Maximum number of subtitles listed per film.
const MOST: usize = 64;
/// Number of words at the end of a name that may indicate a language.
const WORDS: usize = 4;
/// Names of subtitle folders.
const FOLDERS: &[&str] = &[
    "subs",
    "sub",
    "subtitles",
    "subtitle",
    "captions",
    "srt",
    "untertitel",
    "legendas",
    "subtitulos",
];

/// Languages: BCP 47 tag, name, and other spellings in file names.
const LANGUAGES: &[(&str, &str, &[&str])] = &[
    ("ar", "Arabic", &["ara"]),
    ("bg", "Bulgarian", &["bul"]),
    ("bn", "Bengali", &["ben"]),
    ("ca", "Catalan", &["cat", "català"]),
    ("cs", "Czech", &["cze", "ces", "čeština"]),
    ("da", "Danish", &["dan", "dansk"]),
    ("de", "German", &["ger", "deu", "deutsch"]),
    ("el", "Greek", &["gre", "ell"]),
    ("en", "English", &["eng"]),
    ("es", "Spanish", &["spa", "español", "espanol", "castellano"]),
    ("es-419", "Spanish (Latin America)", &["latino", "latinoamericano"]),
    ("et", "Estonian", &["est", "eesti"]),
    ("eu", "Basque", &["baq", "eus"]),
    ("fa", "Persian", &["per", "fas", "farsi"]),
    ("fi", "Finnish", &["fin", "suomi"]),
    ("fr", "French", &["fre", "fra", "français", "francais"]),
    ("he", "Hebrew", &["heb", "iw"]),
    ("hi", "Hindi", &["hin"]),
    ("hr", "Croatian", &["hrv", "scr", "hrvatski"]),
    ("hu", "Hungarian", &["hun", "magyar"]),
    ("id", "Indonesian", &["ind"]),
    ("is", "Icelandic", &["ice", "isl"]),
    ("it", "Italian", &["ita", "italiano"]),
    ("ja", "Japanese", &["jpn", "jap"]),
    ("ko", "Korean", &["kor"]),
    ("lt", "Lithuanian", &["lit"]),
    ("lv", "Latvian", &["lav"]),
    ("mk", "Macedonian", &["mac", "mkd"]),
    ("ms", "Malay", &["may", "msa"]),
    ("nl", "Dutch", &["dut", "nld", "nederlands"]),
    ("no", "Norwegian", &["nor", "nb", "nob", "norsk"]),
    ("pl", "Polish", &["pol", "polski"]),
    ("pt", "Portuguese", &["por", "português", "portugues"]),
    ("pt-BR", "Portuguese (Brazil)", &["pb", "pob", "ptbr", "brazilian"]),
    ("ro", "Romanian", &["rum", "ron", "română"]),
    ("ru", "Russian", &["rus"]),
    ("sk", "Slovak", &["slo", "slk"]),
    ("sl", "Slovenian", &["slv"]),
    ("sq", "Albanian", &["alb", "sqi"]),
    ("sr", "Serbian", &["srp", "scc"]),
    ("sv", "Swedish", &["swe", "svenska"]),
    ("ta", "Tamil", &["tam"]),
    ("te", "Telugu", &["tel"]),
    ("th", "Thai", &["tha"]),
    ("tr", "Turkish", &["tur", "türkçe"]),
    ("uk", "Ukrainian", &["ukr"]),
    ("vi", "Vietnamese", &["vie"]),
    ("zh", "Chinese", &["chi", "zho"]),
    ("zh-Hans", "Chinese (simplified)", &["chs", "simplified"]),
    ("zh-Hant", "Chinese (traditional)", &["cht", "traditional"]),
];

/// Returns the subtitles of each film that has any. `files` are all files with their paths, in
/// natural order.
pub(crate) fn matched(files: &[(u32, &[String])]) -> BTreeMap<u32, Vec<SubtitleView>> {
    let index = Index::of(files);
    let mut all: BTreeMap<u32, Vec<(bool, SubtitleView)>> = BTreeMap::new();
    for &(file, path) in files {
        let Some((name, folders)) = path.split_last().filter(|(name, _)| media::is_subtitle(name))
        else {
            continue;
        };
        let (films, words) = index.films_of(folders, stem(name));
        let (language, title, is_forced) = describe(&words, name);
        for film in films {
            let view = SubtitleView {
                index: file,
                language: language.map(str::to_owned),
                title: title.clone(),
            };
            all.entry(film).or_default().push((is_forced, view));
        }
    }
    let views = |mut list: Vec<(bool, SubtitleView)>| {
        // Forced subtitles, which translate signs only, come after full ones.
        list.sort_by_key(|(is_forced, _)| *is_forced);
        list.into_iter().map(|(_, view)| view).take(MOST).collect()
    };
    all.into_iter().map(|(film, list)| (film, views(list))).collect()
}

/// Returns the missing pieces of these subtitle files, in order. The total length of the files is
/// limited to what is usual for subtitles.
pub(crate) fn wants(
    files: impl Iterator<Item = FileIndex>,
    verified: Verified<'_>,
    (deadline, idle): (Instant, bool),
) -> Vec<Want> {
    let mut left = FIRST;
    let short = files.filter(|&file| match left.checked_sub(verified.geometry.file_len(file)) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    });
    let pieces =
        short.filter_map(|file| verified.geometry.pieces_of_file(file)).flat_map(each_piece);
    pieces
        .filter(|&piece| verified.pieces.state(piece) != PieceState::Have)
        .map(|piece| Want { piece, first: BlockIndex::FIRST, deadline, idle, awaited: false })
        .collect()
}

/// Films by the keys that match their subtitles.
struct Index<'a> {
    by_name: BTreeMap<(&'a [String], String), Vec<u32>>,
    by_folder: BTreeMap<&'a [String], Vec<u32>>,
    by_episode: BTreeMap<(u32, u32), Vec<u32>>,
}

impl<'a> Index<'a> {
    fn of(files: &[(u32, &'a [String])]) -> Self {
        let mut index = Self {
            by_name: BTreeMap::new(),
            by_folder: BTreeMap::new(),
            by_episode: BTreeMap::new(),
        };
        let is_film = |path: &[String]| path.last().is_some_and(|name| media::is_video(name));
        let has_main = files.iter().any(|(_, path)| is_film(path) && !marks::is_extra(path));
        for &(file, path) in files {
            let Some((name, folder)) = path.split_last().filter(|_| is_film(path)) else {
                continue;
            };
            let stem = stem(name).to_lowercase();
            if !has_main || !marks::is_extra(path) {
                index.by_folder.entry(folder).or_default().push(file);
                if let Some(episode) = episode(&stem) {
                    index.by_episode.entry(episode).or_default().push(file);
                }
            }
            index.by_name.entry((folder, stem)).or_default().push(file);
        }
        index
    }

    /// Returns the films that a subtitle file belongs to. The words are those of its name that
    /// remain.
    fn films_of(&self, folders: &[String], stem: &str) -> (Vec<u32>, Vec<String>) {
        // The torrent's own folder may have any name.
        let is_for_them =
            |at: &usize| FOLDERS.iter().any(|known| folders[*at].eq_ignore_ascii_case(known));
        let at = (1..folders.len()).rev().find(is_for_them);
        let (home, inner) =
            at.map_or((folders, &[][..]), |at| (&folders[..at], &folders[at + 1..]));
        let (lower, around) =
            (stem.to_lowercase(), inner.iter().rev().map(|folder| folder.to_lowercase()));
        let named = |name: &str| self.by_name.get(&(home, name.to_owned()));
        if let Some(films) = around.clone().find_map(|folder| named(&folder)) {
            return (films.clone(), words(&lower));
        }
        let more = |rest: &str| {
            around.clone().rev().chain([rest.to_owned()]).flat_map(|text| words(&text)).collect()
        };
        let ends = lower
            .char_indices()
            .rev()
            .filter(|(_, letter)| !letter.is_alphanumeric())
            .map(|(at, _)| at);
        let mut names = [lower.len()].into_iter().chain(ends);
        if let Some((films, end)) = names.find_map(|end| Some((named(&lower[..end])?, end))) {
            return (films.clone(), more(&lower[end..]));
        }
        let beside = self.by_folder.get(home).map_or(&[][..], Vec::as_slice);
        let films = match [lower.clone()]
            .into_iter()
            .chain(around.clone())
            .find_map(|text| episode(&text))
        {
            Some(code) => match self.by_episode.get(&code).map_or(&[][..], Vec::as_slice) {
                [film] => vec![*film],
                several => several.iter().copied().filter(|film| beside.contains(film)).collect(),
            },
            None => Vec::new(),
        };
        let names_another =
            films.is_empty() && episode(&lower).is_some() && !self.by_episode.is_empty();
        match beside {
            [film] if films.is_empty() && !names_another => (vec![*film], more(&lower)),
            _ => (films, more(&lower)),
        }
    }
}

/// A name without its extension.
fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

fn words(text: &str) -> Vec<String> {
    text.split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Season and episode, as in `s01e02` or `1x02`. The text is lower case.
fn episode(text: &str) -> Option<(u32, u32)> {
    let is_long = |digits: &str| digits.is_empty() || digits.len() > 4;
    words(text).iter().find_map(|word| {
        let (season, episode) = match word.strip_prefix('s') {
            Some(rest) => rest.split_once('e')?,
            None => word.split_once('x')?,
        };
        // The first part of a double episode counts.
        let end = episode.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(episode.len());
        let (season, episode) = (season, &episode[..end]);
        if is_long(season) || is_long(episode) || season.len() > 2 {
            return None;
        }
        Some((season.parse().ok()?, episode.parse().ok()?))
    })
}

/// The language, the title, and whether the subtitles are forced.
fn describe(words: &[String], name: &str) -> (Option<&'static str>, String, bool) {
    let last = &words[words.len().saturating_sub(WORDS)..];
    let has = |flag: &str| last.iter().any(|word| word == flag);
    let found: Vec<usize> = (0..last.len()).filter(|&at| language(last, at).is_some()).collect();
    // “en.hi” means English for the hearing impaired; “hi” alone means Hindi.
    let is_flag = |at: usize| last[at] == "hi" && found.len() > 1;
    let best = found.iter().rev().find(|&&at| !is_flag(at)).and_then(|&at| language(last, at));
    let is_forced = has("forced");
    let for_deaf = has("sdh") || has("cc") || found.iter().any(|&at| is_flag(at));
    let Some((tag, language)) = best else {
        return (
            None,
            name.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect(),
            is_forced,
        );
    };
    let mark = if is_forced {
        " (forced)"
    } else if for_deaf {
        " (SDH)"
    } else {
        ""
    };
    (Some(tag), format!("{language}{mark}"), is_forced)
}

/// The language that the word at an index names.
fn language(words: &[String], at: usize) -> Option<(&'static str, &'static str)> {
    let word = words[at].as_str();
    let before = at.checked_sub(1).map_or("", |before| words[before].as_str());
    let tag = match (before, word) {
        ("pt", "br") => "pt-BR",
        ("zh", "tw" | "hk" | "hant") => "zh-Hant",
        ("zh", "cn" | "hans") => "zh-Hans",
        _ => word,
    };
    let is_it = |(code, name, others): &&(&'static str, &'static str, &[&str])| {
        *code == tag || name.eq_ignore_ascii_case(tag) || others.contains(&tag)
    };
    LANGUAGES.iter().find(is_it).map(|(code, name, _)| (*code, *name))
}

#[cfg(test)]
mod tests;
