//! Tests of rounds over all files, and of their conclusions about pieces.

use super::*;

use shared_proto::FileRef;

use crate::limits;
use crate::torrent::storage::look::PieceLook;
use crate::torrent::storage::origin::Kept;
use crate::torrent::storage::stamps::Stamp;

const UNTOUCHED: PieceLook =
    PieceLook { is_readable: true, is_untouched: true, is_stale: false, is_as_seen: true };

/// Checks the conclusion about the only piece of a file. An earlier engine created and stamped the
/// file.
fn check(stamped: Option<FileStat>, found: Option<FileStat>, expected: Option<PieceLook>) {
    let restored = Restored {
        kept: Some(vec![(0, Kept::Ours(identity(1)))]),
        stamps: stamped.map(|stat| (0, Stamp::new(stat, true))).into_iter().collect(),
        ..Restored::default()
    };
    let mut bench = Bench::restored(&[("a", 1)], restored);
    bench.have.set(0);
    let (_, looked) = bench.look(&[found]);
    let look = looked.map(|looked| looked.piece(&bench.content.geometry, piece(0)));
    assert_eq!(look, expected, "{stamped:?} {found:?}");
}

#[test]
fn a_file_that_matches_its_stamp_is_untouched_and_any_other_is_stale() {
    let as_left = stat(1, 1);
    let touched = FileStat { modified_ns: 1_501, ..as_left };
    let other = FileStat { identity: identity(7), ..as_left };
    check(Some(as_left), Some(as_left), Some(UNTOUCHED));
    let stale = PieceLook { is_untouched: false, is_stale: true, is_as_seen: false, ..UNTOUCHED };
    check(Some(as_left), Some(touched), Some(stale));
    check(Some(as_left), Some(other), Some(stale));
    let unstamped = PieceLook { is_untouched: false, ..UNTOUCHED };
    check(None, Some(as_left), Some(unstamped));
    let short = FileStat { length: 7, ..as_left };
    check(None, Some(short), Some(PieceLook { is_readable: false, ..unstamped }));
    check(Some(as_left), None, None);
}

#[test]
fn a_piece_is_judged_by_the_worst_of_its_files() {
    let half = PIECE as usize / 2;
    let mut bench = Bench::of_bytes(&[("a", half), ("b", half)], Restored::default());
    let whole = FileStat { length: half as u64, ..stat(1, 7) };
    let (_, looked) = bench.look(&[Some(whole), None]);
    let look = looked.unwrap().piece(&bench.content.geometry, piece(0));
    assert!(!look.is_readable && !look.is_untouched, "{look:?}");
}

#[test]
fn a_limited_number_of_files_is_inspected_at_once() {
    let names: Vec<String> = (0..300).map(|index| format!("f{index}")).collect();
    let mut files: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 0)).collect();
    files[0].1 = 1;
    let mut bench = Bench::new(&files);
    let orders = bench.storage.look(&bench.content, false);
    assert_eq!(orders.len(), limits::LOOKS as usize);
    let Bench { content, storage, have, .. } = &mut bench;
    let mut finish = |index: u32| {
        let result = Ok(OpOutput::Stat(None));
        storage.looked(content, (file(index), 1), result, Proofs::new(have, None))
    };
    let (effects, _) = finish(3);
    let next = looks_at(Task::Look(file(256), 1), "Sample/f256");
    assert_eq!(effects, [Effect::Order(next)]);
    let rounds = (0..300).filter(|&index| index != 3).filter_map(|index| finish(index).1).count();
    assert_eq!(rounds, 1, "the round ends once, with its last file");
}

#[test]
fn answers_of_an_earlier_round_are_ignored() {
    let mut bench = Bench::new(&[("a", 1)]);
    bench.storage.look(&bench.content, false);
    assert!(bench.storage.call_look_off());
    bench.storage.look(&bench.content, false);
    let Bench { content, storage, have, .. } = &mut bench;
    let mut looked = |number| {
        let result = Ok(OpOutput::Stat(None));
        storage.looked(content, (file(0), number), result, Proofs::new(have, None)).1.is_some()
    };
    assert!(!looked(1) && looked(2));
}

#[test]
fn an_unrelated_error_ends_the_round() {
    let mut bench = Bench::new(&[("a", 1), ("b", 1)]);
    bench.storage.look(&bench.content, false);
    let result = failed(OpErrorKind::Other);
    let (effects, round) = bench.storage.looked(
        &bench.content,
        (file(0), 1),
        result.clone(),
        Proofs::new(&bench.have, None),
    );
    assert_eq!(effects, [Effect::DiskTrouble(result.unwrap_err())]);
    assert!(round.is_none() && !bench.storage.is_looking());
}

#[test]
fn a_changed_file_is_hashed_as_far_as_it_can_be_read() {
    let mut bench = Bench::with(&[("a", 2)], &[Some(stat(2, 7))]);
    let changed = FileStat { modified_ns: 9_500, ..stat(2, 7) };
    let news = (Some(changed), false);
    let proofs = Proofs::new(&bench.have, None);
    let effects = bench.storage.changed_by_others(&bench.content, file(0), news, proofs, bench.now);
    let readable = u64::from(2 * PIECE);
    let expected = [Effect::LetGo(file(0)), Effect::Doubt { file: file(0), readable }];
    assert_eq!(effects, expected);
    let proofs = Proofs::new(&bench.have, None);
    let effects = bench.storage.changed_by_others(&bench.content, file(0), news, proofs, bench.now);
    assert_eq!(effects, [], "the second time it is known");
}

#[test]
fn a_file_that_changed_while_served_gets_another_entity_tag() {
    let mut bench = Bench::with(&[("a", 1)], &[Some(stat(1, 7))]);
    let before = bench.storage.served(&bench.content, file(0)).etag;
    let news = (Some(stat(1, 7)), true);
    let proofs = Proofs::new(&bench.have, None);
    let effects = bench.storage.changed_by_others(&bench.content, file(0), news, proofs, bench.now);
    assert_eq!(effects, [Effect::Hurry, Effect::Announce(file(0))]);
    let after = bench.storage.served(&bench.content, file(0)).etag;
    assert_ne!(before, after);
    let restored = Bench::restored(&[("a", 1)], bench.storage.record());
    assert_eq!(restored.storage.served(&restored.content, file(0)).etag, after);
}

#[test]
fn missing_selected_empty_files_are_created() {
    let mut bench =
        Bench::with(&[("a", 1), ("empty", 0), ("there", 0)], &[None, None, Some(stat(0, 7))]);
    assert!(!bench.storage.has_all_empties(|_| true));
    let is_unwanted = bench.storage.has_all_empties(|_| false);
    assert!(is_unwanted, "an unselected file is not missing");
    let orders = bench.open(Storage::create_empties);
    assert_eq!(orders.iter().map(task).collect::<Vec<_>>(), [Task::Create(file(1), FileRef(1))]);
    let proofs = Proofs::new(&bench.have, None);
    let made = (file(1), FileRef(1));
    let effects = bench.storage.created(&bench.content, made, opened(9), proofs);
    let close = Effect::Order(Order::Close(FileRef(1)));
    assert_eq!(effects, [close, Effect::Hurry, Effect::Create, Effect::Made]);
    assert!(bench.storage.has_all_empties(|_| true));
}
