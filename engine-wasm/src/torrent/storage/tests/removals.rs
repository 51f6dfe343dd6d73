//! Tests of removals with files, and of errors.

use super::*;

use shared_proto::FileRef;

use crate::handles::Access;
use crate::torrent::storage::origin::Kept;
use crate::torrent::storage::removal::RemovalEnd;
use crate::view::Sentence;

/// Four files: ours, ours without an identity, another program's, and none.
fn bench() -> Bench {
    let kept =
        vec![(0, Kept::Ours(identity(1))), (1, Kept::Ours(None)), (2, Kept::Theirs(identity(3)))];
    let restored = Restored { kept: Some(kept), ..Restored::default() };
    Bench::restored(&[("a", 1), ("b", 1), ("c", 1), ("d", 1)], restored)
}

fn deleted(bench: &mut Bench, result: Result<OpOutput, OpError>) -> Vec<Effect> {
    bench.storage.deleted(&bench.content, file(0), result)
}

fn left(bench: &mut Bench) -> Option<Sentence> {
    match bench.storage.take_removal_end(&bench.content) {
        Some(RemovalEnd::Goes { left, .. }) => left,
        other => panic!("it goes: {other:?}"),
    }
}

#[test]
fn only_files_that_are_surely_ours_are_deleted() {
    let mut bench = bench();
    let orders = bench.storage.remove(&bench.content, None);
    let request = Request::Delete(at("Sample/a"), identity(1));
    assert_eq!(orders, [Order::Ask(Task::Delete(file(0)), request)]);
    assert_eq!(bench.storage.take_removal_end(&bench.content), None, "it is under way");
    let effects = deleted(&mut bench, Ok(OpOutput::Unit));
    assert_eq!(effects, [Effect::LoseAll(file(0)), Effect::Touch]);
    assert_eq!(left(&mut bench), None);
}

#[test]
fn a_file_that_replaced_ours_is_spared_and_reported() {
    let mut bench = bench();
    bench.storage.remove(&bench.content, None);
    deleted(&mut bench, failed(OpErrorKind::Changed));
    let name = "Sample/a".to_owned();
    assert_eq!(left(&mut bench), Some(Sentence::Spared { name, others: 0 }));
}

#[test]
fn a_missing_file_does_not_prevent_removal() {
    let mut bench = bench();
    bench.storage.remove(&bench.content, None);
    deleted(&mut bench, failed(OpErrorKind::NotFound));
    assert_eq!(left(&mut bench), None);
}

#[test]
fn a_file_that_cannot_be_deleted_keeps_the_torrent() {
    let mut bench = bench();
    bench.storage.remove(&bench.content, None);
    deleted(&mut bench, failed(OpErrorKind::Denied));
    let parting = bench.storage.take_removal_end(&bench.content);
    let Some(RemovalEnd::Stays { why, .. }) = parting else { panic!("{parting:?}") };
    assert!(matches!(&why, Sentence::CantDelete { name, .. } if name == "Sample/a"), "{why:?}");
    assert!(!bench.storage.is_being_removed());
}

#[test]
fn a_file_being_created_is_deleted_once_its_identity_is_known() {
    let mut bench = Bench::with(&[("a", 1)], &[None]);
    bench.open(|storage, given| storage.handle(file(0), Access::Write, given));
    assert_eq!(bench.storage.remove(&bench.content, None), []);
    assert_eq!(bench.storage.take_removal_end(&bench.content), None);
    let Bench { content, storage, handles, have, .. } = &mut bench;
    let task = (file(0), FileRef(1), Access::Write);
    let effects = storage.opened(content, task, opened(9), Proofs::new(have, None), handles);
    let request = Request::Delete(at("a"), identity(9));
    assert_eq!(orders(&effects), [Order::Ask(Task::Delete(file(0)), request)]);
    deleted(&mut bench, Ok(OpOutput::Unit));
    assert_eq!(left(&mut bench), None);
}

#[test]
fn a_removal_fails_when_the_daemon_is_lost() {
    let mut bench = bench();
    bench.storage.remove(&bench.content, None);
    bench.storage.unlink();
    let parting = bench.storage.take_removal_end(&bench.content);
    assert!(matches!(parting, Some(RemovalEnd::Stays { .. })), "{parting:?}");
}

#[test]
fn missing_files_are_reported_by_name_and_number() {
    let bench = bench();
    let check = |files: &[u32], name: &str, others| {
        let files: Vec<FileIndex> = files.iter().map(|&index| file(index)).collect();
        let expected = Sentence::FilesMissing { name: name.to_owned(), others };
        assert_eq!(bench.storage.says_missing(&bench.content, &files), expected);
    };
    check(&[1], "Sample/b", 0);
    check(&[1, 2, 3], "Sample/b", 2);
}
