//! Films and subtitle files by their paths: which belong together, and what they are called.

use super::*;
use crate::geometry::Geometry;
use crate::geometry::testing::{file, piece};
use crate::pick::piece_map::PieceMap;

/// The subtitles of the first file, as `index language title`.
fn of_first(paths: &[&str]) -> Vec<String> {
    let paths: Vec<Vec<String>> =
        paths.iter().map(|path| path.split('/').map(str::to_owned).collect()).collect();
    let files: Vec<(u32, &[String])> =
        (0..).zip(&paths).map(|(file, path)| (file, path.as_slice())).collect();
    let found = matched(&files).remove(&0).unwrap_or_default();
    found
        .iter()
        .map(|it| format!("{} {} {}", it.index, it.language.as_deref().unwrap_or("-"), it.title))
        .collect()
}

#[track_caller]
fn check(paths: &[&str], expected: &[&str]) {
    assert_eq!(of_first(paths), expected, "{paths:?}");
}

#[test]
fn files_with_the_films_name_belong_to_it() {
    check(&["film.mkv", "film.srt"], &["1 - film.srt"]);
    check(&["f/Film.mkv", "f/film.DE.srt", "f/Film.en.vtt"], &["1 de German", "2 en English"]);
    check(&["f/film.mkv", "f/other.mkv", "f/film2.srt", "f/other.srt"], &[]);
    check(&["f/film.mkv", "f/film 2.mkv", "f/film 2.srt", "f/film.srt"], &["3 - film.srt"]);
    check(&["f/film.mkv", "f/film.sub", "f/film.idx", "f/film.txt"], &[]);
    check(
        &["f/film.mkv", "f/film.eng.forced.srt", "f/film.eng.srt"],
        &["2 en English", "1 en English (forced)"],
    );
    check(
        &["f/film.mkv", "f/film.en.hi.srt", "f/film.hi.srt"],
        &["1 en English (SDH)", "2 hi Hindi"],
    );
    check(
        &["f/film.mkv", "f/film.pt-BR.ass", "f/film_zh-TW.ssa"],
        &["1 pt-BR Portuguese (Brazil)", "2 zh-Hant Chinese (traditional)"],
    );
    check(&["f/a.mkv", "f/a.mp4", "f/a.en.srt"], &["2 en English"]);
}

#[test]
fn subtitle_folders_belong_to_their_parent_folder() {
    check(&["f/film.mkv", "f/Subs/film.de.srt"], &["1 de German"]);
    check(
        &["f/film.mkv", "f/Subs/2_English.srt", "f/Subs/3_French.srt"],
        &["1 en English", "2 fr French"],
    );
    check(
        &[
            "f/a.mkv",
            "f/b.mkv",
            "f/Subs/a/2_English.srt",
            "f/Subs/b/2_English.srt",
            "f/Subs/4_Greek.srt",
        ],
        &["2 en English"],
    );
    check(
        &["f/a.mkv", "f/b.mkv", "f/Subs/English/a.srt", "f/Subs/de/a.srt"],
        &["2 en English", "3 de German"],
    );
    check(&["Subs/film.mkv", "Subs/film.srt"], &["1 - film.srt"]);
    check(&["f/x/film.mkv", "f/y/film.srt"], &[]);
}

#[test]
fn the_same_episode_or_the_only_film_matches() {
    let show = ["s/Show.S01E02.1080p.mkv", "s/Show.S01E03.1080p.mkv"];
    check(&[show[0], show[1], "s/show - 1x02 (en).srt", "s/show.s01e03.srt"], &["2 en English"]);
    check(&[show[0], show[1], "subs/S01E02E03.ger.srt"], &["2 de German"]);
    check(&[show[0], "s/S01E09.srt"], &[]);
    check(
        &["s/Trailer Folk S01E01.mkv", "s/Trailer Folk S01E02.mkv", "s/1x01.srt"],
        &["2 - 1x01.srt"],
    );
    check(
        &["f/The Film (1999).mkv", "f/Sample/film-sample.mkv", "f/whatever.eng.srt"],
        &["2 en English"],
    );
    check(&["f/a.mkv", "f/b.mkv", "f/whatever.srt"], &[]);
}

#[test]
fn the_same_episode_of_another_season_or_folder_is_another_film() {
    let twice = ["a/S01E01.mkv", "b/S01E01.mkv"];
    check(&[twice[0], twice[1], "b/x 1x01.srt"], &[]);
    check(&[twice[1], twice[0], "b/x 1x01.srt"], &["2 - x 1x01.srt"]);
    check(&["f/film.mkv", "f/S01E09.srt"], &["1 - S01E09.srt"]);
    check(&["f/S01E01.mkv", "f/S01E02.mkv", "f/Subs/1x01/2_English.srt"], &["2 en English"]);
}

#[test]
fn the_folder_of_subtitles_names_no_film() {
    check(&["f/subs.mkv", "f/b.mkv", "f/Subs/x.srt"], &[]);
    check(&["f/a.mkv", "f/b.mkv", "f/Subs/a/Subs/x.srt"], &[]);
    check(&["f/a.mkv", "f/b.mkv", "f/Subs/b/a/x.srt"], &["2 - x.srt"]);
}

#[test]
fn an_episode_has_a_season_of_two_digits_and_a_number_of_four() {
    for (text, expected) in [
        ("show.s01e02", Some((1, 2))),
        ("s1e1234", Some((1, 1234))),
        ("s1e12345", None),
        ("s99e1", Some((99, 1))),
        ("s100e1", None),
        ("1x02", Some((1, 2))),
        ("1920x1080", None),
        ("s01e02e03", Some((1, 2))),
        ("se1", None),
        ("s1e", None),
        ("s1", None),
        ("axb 2x03", Some((2, 3))),
    ] {
        assert_eq!(episode(text), expected, "{text}");
    }
}

#[test]
fn flags_and_languages_are_among_the_last_words() {
    check(
        &["f/a.mkv", "f/a.en.sdh.srt", "f/a.en.cc.srt"],
        &["1 en English (SDH)", "2 en English (SDH)"],
    );
    check(&["f/a.mkv", "f/a.en.forced.sdh.srt"], &["1 en English (forced)"]);
    check(&["f/a.mkv", "f/a.de.one.two.three.srt"], &["1 de German"]);
    check(&["f/a.mkv", "f/a.de.one.two.three.four.srt"], &["1 - a.de.one.two.three.four.srt"]);
    check(&["f/a.mkv", "f/a.en.de.srt"], &["1 de German"]);
    check(
        &["f/a.mkv", "f/a.zh-CN.srt", "f/a.hans.srt"],
        &["1 zh-Hans Chinese (simplified)", "2 - a.hans.srt"],
    );
    check(&["f/a.mkv", "f/a\u{7}b.srt"], &["1 - a b.srt"]);
}

#[test]
fn a_film_has_at_most_sixty_four_subtitles() {
    let names: Vec<String> = (0..MOST + 1).map(|number| format!("f/a.{number}.srt")).collect();
    let paths: Vec<&str> =
        ["f/a.mkv"].into_iter().chain(names.iter().map(String::as_str)).collect();
    assert_eq!(of_first(&paths).len(), MOST);
}

#[test]
fn subtitles_are_fetched_first_as_long_as_they_are_short_together() {
    let lengths = [FIRST - 9, 10, 9];
    let geometry = Geometry::new(1 << 20, &lengths).unwrap();
    let mut pieces = PieceMap::new(geometry.clone().into());
    let wanted = |pieces: &PieceMap, files: &[u32]| -> Vec<u32> {
        let verified = Verified { geometry: &geometry, pieces };
        let files = files.iter().copied().map(file);
        let wants = wants(files, verified, (Instant(7), true));
        assert!(wants.iter().all(|want| want.idle && want.deadline == Instant(7)));
        wants.iter().map(|want| want.piece.get()).collect()
    };
    assert_eq!(wanted(&pieces, &[1]), [1, 2]);
    assert_eq!(wanted(&pieces, &[0, 1]), [0, 1], "together they are too long");
    assert_eq!(wanted(&pieces, &[0, 1, 2]), [0, 1, 2], "a shorter one still fits");
    pieces.verified(piece(1));
    assert_eq!(wanted(&pieces, &[0, 1, 2]), [0, 2]);
}

#[test]
fn matching_hostile_names_is_fast() {
    let name = format!("{}.srt", ".a".repeat(120));
    let paths: Vec<Vec<String>> = (0..4_000)
        .map(|number| {
            vec!["f".into(), if number % 2 == 0 { format!("{number}.mkv") } else { name.clone() }]
        })
        .collect();
    let files: Vec<(u32, &[String])> =
        (0..).zip(&paths).map(|(file, path)| (file, path.as_slice())).collect();
    assert!(matched(&files).is_empty());
}
