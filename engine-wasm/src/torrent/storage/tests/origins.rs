//! Tests of the origins of files.

use super::*;

use crate::torrent::storage::origin::{Kept, Origin};
use crate::view::{Sentence, Trouble};

/// A torrent of one file of two pieces, with this stored origin.
fn bench(kept: Option<Kept>) -> Bench {
    let kept = kept.map_or_else(Vec::new, |kept| vec![(0, kept)]);
    Bench::restored(&[("a", 2)], Restored { kept: Some(kept), ..Restored::default() })
}

/// Checks the new origin of a file, and whether it counts as missing. `kept` is its stored origin,
/// and `found` has its path.
///
/// `verified` says whether one of its pieces was verified.
fn check(kept: Option<Kept>, verified: bool, found: Option<FileStat>, expected: (Origin, bool)) {
    let mut bench = bench(kept);
    if verified {
        bench.have.set(0);
    }
    let (effects, _) = bench.look(&[found]);
    let is_missing = effects.contains(&Effect::Missing(vec![file(0)]));
    let origin = bench.storage.files[0].origin;
    assert_eq!((origin, is_missing), expected, "{kept:?} {verified} {found:?}");
}

#[test]
fn a_file_is_recognised_by_its_identity_and_never_by_its_name() {
    use Origin::{Nothing, Unknown, Unsure};
    let ours = |number| Some(Kept::Ours(identity(number)));
    check(None, false, None, (Nothing, false));
    check(ours(1), true, Some(stat(2, 1)), (Origin::Ours(identity(1)), false));
    check(ours(1), true, Some(stat(1, 1)), (Origin::Ours(identity(1)), false));
    // Another file of the right length is used in place; with another length, it displaces ours.
    check(None, false, Some(stat(2, 7)), (Origin::Theirs(identity(7)), false));
    check(ours(1), true, Some(stat(2, 7)), (Origin::Theirs(identity(7)), false));
    check(None, false, Some(stat(1, 7)), (Unknown, false));
    check(ours(1), true, Some(stat(1, 7)), (Unknown, false));
    // Without identities a hash decides, if there is anything to hash.
    check(ours(0), true, Some(stat(2, 0)), (Unsure, false));
    check(ours(0), false, Some(stat(2, 0)), (Origin::Theirs(None), false));
    // A deleted file is missing if it contained verified pieces.
    check(ours(1), true, None, (Origin::Ours(identity(1)), true));
    check(ours(1), false, None, (Nothing, false));
    // An adopted file stays adopted.
    let adopted = Some(Kept::Adopted(None));
    check(adopted, true, Some(stat(1, 7)), (Origin::Adopted(identity(7)), false));
}

#[test]
fn a_check_discards_missing_files() {
    let mut bench = bench(Some(Kept::Ours(identity(1))));
    bench.have.set(0);
    let (effects, looked) = bench.look_again(&[None], true);
    assert_eq!((effects, bench.storage.files[0].origin), (vec![], Origin::Nothing));
    assert!(looked.is_some());
}

#[test]
fn a_displaced_file_gets_the_next_free_name() {
    let mut bench = Bench::new(&[("a.mkv", 2)]);
    let (effects, _) = bench.look(&[Some(stat(1, 7))]);
    let again = Task::LookAgain(file(0));
    let expected = [
        Effect::LetGo(file(0)),
        Effect::LoseAll(file(0)),
        Effect::Announce(file(0)),
        Effect::Order(looks_at(again, "a (2).mkv")),
        Effect::WantsAreStale,
        Effect::Touch,
        Effect::Changed,
    ];
    assert_eq!(effects, expected);
    assert!(bench.storage.is_displaced(file(0)) && !bench.storage.is_settled(&bench.content));
    // That name is taken as well.
    let result = Ok(OpOutput::Stat(Some(stat(1, 8))));
    let Bench { content, storage, have, now, .. } = &mut bench;
    let effects = storage.looked_again(content, file(0), result, Proofs::new(have, None), *now);
    assert_eq!(orders(&effects), [looks_at(again, "a (3).mkv")]);
    let readable = u64::from(PIECE);
    assert!(effects.contains(&Effect::Suspect { file: file(0), readable }), "the first is copied");
    // The next one is free.
    let result = Ok(OpOutput::Stat(None));
    storage.looked_again(content, file(0), result, Proofs::new(have, None), *now);
    assert_eq!(storage.files[0].origin, Origin::Nothing);
    assert_eq!(storage.location(content, file(0)), at("a (3).mkv"));
}

#[test]
fn the_user_has_to_act_when_every_name_is_taken() {
    let mut bench = Bench::new(&[("a.mkv", 2)]);
    bench.look(&[Some(stat(1, 7))]);
    let mut last = Vec::new();
    for _ in 0..100 {
        let result = Ok(OpOutput::Stat(Some(stat(1, 8))));
        let proofs = Proofs::new(&bench.have, None);
        last = bench.storage.looked_again(&bench.content, file(0), result, proofs, bench.now);
    }
    assert_eq!(orders(&last), []);
    let says = Sentence::NamesTaken { name: "a.mkv".to_owned() };
    assert!(last.contains(&Effect::Fail(Trouble::BadName, says)), "{last:?}");
}

#[test]
fn after_several_taken_names_the_folder_gets_a_number() {
    let mut bench = Bench::with(&[("a", 1), ("b", 1)], &[None, None]);
    let mut work_around = || {
        let error = failed(OpErrorKind::Exists).unwrap_err();
        let proofs = Proofs::new(&bench.have, None);
        bench.storage.work_around(&bench.content, file(0), &error, proofs).expect("it helps")
    };
    for number in 2..5 {
        let path = format!("Sample/a ({number})");
        assert_eq!(orders(&work_around()), [looks_at(Task::LookAgain(file(0)), &path)]);
    }
    let expected = [Effect::CloseAll, Effect::AnnounceAll, Effect::Touch, Effect::Look(false)];
    assert_eq!(work_around(), expected);
    assert_eq!(bench.storage.location(&bench.content, file(0)), at("Sample (2)/a"));
}

#[test]
fn refused_names_are_simplified_until_no_step_is_left() {
    let mut bench = Bench::with(&[("a", 1)], &[None]);
    let error = failed(OpErrorKind::Name).unwrap_err();
    for helps in [true, true, false] {
        let proofs = Proofs::new(&bench.have, None);
        let effects = bench.storage.work_around(&bench.content, file(0), &error, proofs);
        assert_eq!(effects.is_some(), helps);
    }
}

#[test]
fn a_wrong_piece_disproves_existing_files_unless_ours_may_be_wrong() {
    let check = |found: [Option<FileStat>; 2], expected: &[u32]| {
        // One piece lies in both files.
        let half = PIECE as usize / 2;
        let mut bench = Bench::of_bytes(&[("a", half), ("b", half)], Restored::default());
        let length = half as u64;
        bench.look(&found.map(|stat| stat.map(|stat| FileStat { length, ..stat })));
        let effects =
            bench.storage.found_wrong(&bench.content, piece(0), Proofs::new(&bench.have, None));
        let displaced: Vec<u32> =
            (0..2).filter(|&index| bench.storage.is_displaced(file(index))).collect();
        assert_eq!((displaced.as_slice(), effects.is_empty()), (expected, expected.is_empty()));
    };
    check([Some(stat(1, 7)), Some(stat(1, 8))], &[0, 1]);
    check([Some(stat(1, 7)), None], &[]);
    check([None, None], &[]);
}

#[test]
fn a_valid_piece_confirms_that_a_file_is_still_ours() {
    let mut bench = bench(Some(Kept::Ours(None)));
    bench.have.set(0);
    bench.look(&[Some(stat(2, 0))]);
    bench.storage.found_right(&bench.content, piece(1));
    assert_eq!(bench.storage.files[0].origin, Origin::Unsure, "it was not verified before");
    bench.storage.found_right(&bench.content, piece(0));
    assert_eq!(bench.storage.files[0].origin, Origin::Ours(None));
}

#[test]
fn adoption_uses_existing_files_and_deletes_our_copies() {
    let mut bench = Bench::with(&[("a", 1), ("b", 1)], &[Some(stat(1, 7)), Some(stat(2, 8))]);
    // Ours is created under a name with a number.
    let proofs = Proofs::new(&bench.have, None);
    let none = Ok(OpOutput::Stat(None));
    bench.storage.looked_again(&bench.content, file(1), none, proofs, bench.now);
    bench.storage.made(file(1), &opened(9).unwrap());
    let effects = bench.storage.adopt(&bench.content).expect("nothing is moved");
    let ours = Request::Delete(at("Sample/b (2)"), identity(9));
    assert_eq!(orders(&effects), [Order::Tell(ours)]);
    assert_eq!(bench.storage.files[0].origin, Origin::Adopted(identity(7)));
    assert_eq!(bench.storage.location(&bench.content, file(1)), at("Sample/b"));
    bench.look(&[Some(stat(1, 7)), Some(stat(2, 8))]);
    assert_eq!(bench.storage.files[1].origin, Origin::Adopted(identity(8)));
}

#[test]
fn on_a_disk_without_identities_a_found_file_is_hashed_again_only_after_a_change() {
    let found = stat(1, 0);
    let mut bench = Bench::with(&[("a", 1)], &[Some(found)]);
    bench.have.set(0);
    let mut is_stale = |found: FileStat| {
        let (_, looked) = bench.look(&[Some(found)]);
        looked.unwrap().piece(&bench.content.geometry, piece(0)).is_stale
    };
    assert!(!is_stale(found), "it has no stamp yet");
    assert!(is_stale(FileStat { modified_ns: 9_500, ..found }));
}
