//! Tests of opening files and keeping them open.

use super::*;

use shared_proto::{FileRef, OpenMode, Span};

use crate::geometry::{PieceOffset, testing};
use crate::handles::Access;
use crate::torrent::storage::Use;

const FILES: &[(&str, u32)] = &[("a", 1), ("b", 1), ("c", 1)];

fn spans(bench: &mut Bench, index: u32, purpose: Use) -> (Option<Vec<Span>>, Vec<Order>) {
    let opening = bench.open(|storage, given| {
        storage.spans((piece(index), PieceOffset::START, PIECE), purpose, given)
    });
    (opening.got, opening.orders)
}

fn open(file_number: u32, index: u32, access: Access, mode: OpenMode) -> Order {
    let length = if access == Access::Write { u64::from(PIECE) } else { 0 };
    let path = format!("Sample/{}", ["a", "b", "c"][index as usize]);
    let (handle, at) = (FileRef(file_number), at(&path));
    let request = Request::Open { file: handle, at, length, mode };
    Order::Ask(Task::Open(file(index), handle, access), request)
}

#[test]
fn a_file_is_opened_once_and_again_before_a_write() {
    let mut bench = Bench::with(FILES, &[None, None, None]);
    let (got, orders) = spans(&mut bench, 1, Use::Read);
    assert_eq!(orders, [open(1, 1, Access::Read, OpenMode::Read)]);
    assert_eq!(got, Some(vec![Span { file: FileRef(1), offset: 0, length: PIECE }]));
    let (got_again, orders) = spans(&mut bench, 1, Use::Read);
    assert_eq!((got_again, orders), (got, vec![]));
    let (_, orders) = spans(&mut bench, 1, Use::Write);
    let expected = [Order::Close(FileRef(1)), open(2, 1, Access::Write, OpenMode::Create)];
    assert_eq!(orders, expected);
    let (got, orders) = spans(&mut bench, 1, Use::Read);
    assert_eq!((got.unwrap()[0].file, orders), (FileRef(2), vec![]), "writing includes reading");
}

#[test]
fn a_file_of_another_program_is_never_opened_for_writing() {
    let mut bench = Bench::with(FILES, &[Some(stat(1, 5)), None, None]);
    let (got, orders) = spans(&mut bench, 0, Use::Write);
    assert_eq!(orders, []);
    assert_eq!(got, Some(vec![Span { file: FileRef::ZEROS, offset: 0, length: PIECE }]));
    let (_, orders) = spans(&mut bench, 0, Use::Read);
    assert_eq!(orders, [open(1, 0, Access::Read, OpenMode::Read)]);
}

#[test]
fn our_file_is_opened_by_its_identity_for_later_writes() {
    let mut bench = Bench::with(FILES, &[None, None, None]);
    spans(&mut bench, 0, Use::Write);
    let Bench { content, storage, handles, have, .. } = &mut bench;
    let task = (file(0), FileRef(1), Access::Write);
    let effects = storage.opened(content, task, opened(9), Proofs::new(have, None), handles);
    assert_eq!(effects, [Effect::Hurry, Effect::WantsAreStale]);
    storage.close_all(content, handles);
    let (_, orders) = spans(&mut bench, 0, Use::Write);
    assert_eq!(orders, [open(2, 0, Access::Write, OpenMode::Write { identity: identity(9) })]);
}

#[test]
fn all_files_of_a_piece_are_opened_or_none_is_pinned() {
    let mut bench = Bench::new(&[("a", 1), ("b", 1)]);
    bench.handles.set_capacity(1);
    assert!(spans(&mut bench, 0, Use::Read).0.is_some());
    bench.storage.pin(&bench.content, piece(0), &mut bench.handles);
    assert_eq!(spans(&mut bench, 1, Use::Read), (None, vec![]));
    bench.storage.unpin(&bench.content, piece(0), &mut bench.handles);
    assert_eq!(bench.handles.take_retries().len(), 1, "the torrent is to try again");
    let (got, orders) = spans(&mut bench, 1, Use::Read);
    assert!(got.is_some() && orders[0] == Order::Close(FileRef(1)));
}

#[test]
fn blocks_leave_places_for_digests_and_waiting_viewers() {
    let names: Vec<String> = (0..8).map(|index| format!("f{index}")).collect();
    let files: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let mut bench = Bench::new(&files);
    bench.handles.set_capacity(8);
    let Bench { content, storage, handles, .. } = &mut bench;
    let mut pinned = |is_awaited| {
        let all = (0..8).map(|index| {
            storage.pin_for_blocks(content, testing::piece(index), is_awaited, handles)
        });
        all.filter(|&is_pinned| is_pinned).count()
    };
    assert_eq!((pinned(false), pinned(true)), (4, 6), "of eight");
    assert!(storage.unpin_blocks(content, piece(0), handles));
    assert!(!storage.unpin_blocks(content, piece(0), handles), "it is pinned no longer");
    assert_eq!(handles.pinned(), 5);
}

#[test]
fn nothing_is_requested_before_a_file_could_be_opened_for_writing() {
    let mut bench = Bench::with(FILES, &[Some(stat(1, 5)), None, None]);
    let opening = bench.open(|storage, given| storage.can_write(piece(0), given));
    assert_eq!((opening.got, opening.orders), (Some(()), vec![]), "nothing is to be written");
    let opening = bench.open(|storage, given| storage.can_write(piece(1), given));
    assert_eq!(opening.got, None);
    assert_eq!(opening.orders, [open(1, 1, Access::Write, OpenMode::Create)]);
    let Bench { content, storage, handles, have, .. } = &mut bench;
    let task = (file(1), FileRef(1), Access::Write);
    storage.opened(content, task, opened(9), Proofs::new(have, None), handles);
    let opening = bench.open(|storage, given| storage.can_write(piece(2), given));
    assert_eq!((opening.got, opening.orders), (Some(()), vec![]));
    bench.storage.unlink();
    let opening = bench.open(|storage, given| storage.can_write(piece(2), given));
    assert_eq!(opening.got, None, "the next daemon has to prove it again");
}

#[test]
fn a_refused_open_is_an_error_and_leaves_nothing_open() {
    let mut bench = Bench::with(FILES, &[None, None, None]);
    spans(&mut bench, 0, Use::Write);
    let Bench { content, storage, handles, have, .. } = &mut bench;
    let task = (file(0), FileRef(1), Access::Write);
    let result = failed(OpErrorKind::Full);
    let effects = storage.opened(content, task, result.clone(), Proofs::new(have, None), handles);
    let trouble = Effect::DiskTrouble(result.unwrap_err());
    assert_eq!(effects, [Effect::Order(Order::Close(FileRef(1))), trouble]);
    assert_eq!(
        handles.find((content.meta.info_hash, file(0), crate::handles::Which::Own), Access::Read),
        None
    );
}
