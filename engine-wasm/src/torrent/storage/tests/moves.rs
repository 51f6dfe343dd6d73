//! Tests of moves from one place to another.

use super::*;

use crate::torrent::storage::mover::Asker;
use crate::view::Sentence;

const ASKER: Asker = Asker::Intent(1);

fn there() -> Place {
    Place { folder: vec!["new".into()], ..Place::new("d".into(), None) }
}

/// Two files of another program, used in place.
fn bench() -> Bench {
    Bench::with(&[("a", 1), ("b", 1)], &[Some(stat(1, 7)), Some(stat(1, 8))])
}

fn relocate(bench: &mut Bench, to: Place) -> Vec<Effect> {
    bench.storage.relocate(&bench.content, (to, ASKER), true, &bench.handles)
}

fn looked_ahead(bench: &mut Bench, index: u32, found: Option<FileStat>) -> Vec<Effect> {
    let result = Ok(OpOutput::Stat(found));
    bench.storage.looked_ahead(&bench.content, (file(index), 1), result)
}

/// Both files are being moved.
fn moving() -> Bench {
    let mut bench = bench();
    relocate(&mut bench, there());
    looked_ahead(&mut bench, 0, None);
    looked_ahead(&mut bench, 1, None);
    bench.storage.saved_move(&bench.content, Ok(OpOutput::Unit), &bench.handles);
    bench
}

fn moved(bench: &mut Bench, index: u32, result: Result<OpOutput, OpError>) -> Vec<Effect> {
    let Bench { content, storage, handles, have, now } = bench;
    let proofs = Proofs::new(have, None);
    let mut effects = storage.file_moved(content, file(index), result, proofs, *now);
    effects.extend(storage.move_next(content, handles));
    effects
}

fn move_order(index: u32, from: &str, to: &str) -> Order {
    let identity = identity(7 + u8::try_from(index).unwrap());
    let request = Request::Move { identity, from: at(from), to: at(to) };
    Order::Ask(Task::Move(file(index)), request)
}

#[test]
fn a_move_inspects_the_destination_is_saved_and_moves_file_by_file() {
    let mut bench = bench();
    let effects = relocate(&mut bench, there());
    let ahead = |index: u32, path| looks_at(Task::LookAhead(file(index), 1), path);
    assert_eq!(orders(&effects), [ahead(0, "new/Sample/a"), ahead(1, "new/Sample/b")]);
    assert_eq!(bench.storage.target(), None, "nothing is to be written down yet");
    assert_eq!(looked_ahead(&mut bench, 0, None), []);
    assert_eq!(looked_ahead(&mut bench, 1, None), [Effect::SaveMove]);
    assert_eq!(bench.storage.target(), Some(&there()));
    assert_eq!(bench.storage.take_answer(), None);
    let effects = bench.storage.saved_move(&bench.content, Ok(OpOutput::Unit), &bench.handles);
    assert_eq!(bench.storage.take_answer(), Some((ASKER, Ok(()))));
    let first = move_order(0, "Sample/a", "new/Sample/a");
    let second = move_order(1, "Sample/b", "new/Sample/b");
    assert_eq!(orders(&effects), [first, second]);
    let effects = moved(&mut bench, 0, Ok(OpOutput::Unit));
    assert_eq!(effects, [Effect::Announce(file(0)), Effect::WantsAreStale, Effect::Check]);
    let lies = |bench: &Bench, index| bench.storage.location(&bench.content, file(index));
    assert_eq!((lies(&bench, 0), lies(&bench, 1)), (at("new/Sample/a"), at("Sample/b")));
    assert_eq!(moved(&mut bench, 1, Ok(OpOutput::Unit)).last(), Some(&Effect::Arrived));
    assert_eq!((bench.storage.place(), bench.storage.is_moving()), (&there(), false));
}

#[test]
fn an_existing_file_at_the_destination_cancels_the_move() {
    let mut bench = bench();
    relocate(&mut bench, there());
    assert_eq!(looked_ahead(&mut bench, 1, Some(stat(1, 3))), [Effect::MoveCalledOff]);
    let path = "new/Sample/b".to_owned();
    let answer = Err(Sentence::PlaceTaken { path });
    assert_eq!(bench.storage.take_answer(), Some((ASKER, answer)));
    assert!(!bench.storage.is_moving());
}

#[test]
fn a_failed_file_moves_the_others_back() {
    let mut bench = moving();
    moved(&mut bench, 0, Ok(OpOutput::Unit));
    let effects = moved(&mut bench, 1, failed(OpErrorKind::Full));
    assert_eq!(orders(&effects), [move_order(0, "new/Sample/a", "Sample/a")]);
    assert_eq!(moved(&mut bench, 0, Ok(OpOutput::Unit)).last(), Some(&Effect::Arrived));
    assert_eq!(bench.storage.place().folder, Vec::<String>::new());
    let says = Sentence::MoveStayed { why: Sentence::MoveFull.into() };
    assert_eq!(bench.storage.move_says(), Some(says));
}

#[test]
fn a_file_that_cannot_be_moved_back_stays_until_the_user_acts() {
    let mut bench = moving();
    moved(&mut bench, 0, Ok(OpOutput::Unit));
    moved(&mut bench, 1, failed(OpErrorKind::Full));
    assert_eq!(orders(&moved(&mut bench, 0, failed(OpErrorKind::Denied))), []);
    let third = Place { folder: vec!["third".into()], ..there() };
    relocate(&mut bench, third);
    assert_eq!(bench.storage.take_answer(), Some((ASKER, Err(Sentence::TwoLocations))));
    let effects = relocate(&mut bench, there());
    assert_eq!(orders(&effects), [move_order(1, "Sample/b", "new/Sample/b")]);
    assert_eq!(bench.storage.take_answer(), Some((ASKER, Ok(()))));
}

#[test]
fn after_a_restart_each_file_is_looked_for_at_both_places() {
    let mut record = bench().storage.record();
    record.moving = Some(there());
    let mut bench = Bench::restored(&[("a", 1), ("b", 1)], record);
    let effects = bench.storage.find_moved(&bench.content).expect("it was being moved");
    assert_eq!(orders(&effects).len(), 2);
    assert_eq!(bench.storage.look(&bench.content, true), [], "a look has to wait");
    let back = looks_at(Task::LookBack(file(0), 1), "Sample/a");
    assert_eq!(orders(&looked_ahead(&mut bench, 0, Some(stat(1, 7)))), [back]);
    let gone = Ok(OpOutput::Stat(None));
    bench.storage.looked_back(&bench.content, (file(0), 1), gone);
    let effects = looked_ahead(&mut bench, 1, None);
    assert_eq!(effects, [Effect::AnnounceAll, Effect::Look(true)], "and comes now");
    let lies = |index| bench.storage.location(&bench.content, file(index));
    assert_eq!((lies(0), lies(1)), (at("new/Sample/a"), at("Sample/b")));
}

#[test]
fn a_file_that_is_being_moved_is_not_opened() {
    let mut bench = moving();
    let read = |bench: &mut Bench| {
        let access = crate::handles::Access::Read;
        bench.open(|storage, given| storage.handle(file(0), access, given)).got
    };
    assert_eq!(read(&mut bench), None);
    moved(&mut bench, 0, Ok(OpOutput::Unit));
    assert!(read(&mut bench).is_some());
}

#[test]
fn a_move_fails_without_a_daemon_or_while_the_torrent_is_busy() {
    let mut bench = bench();
    relocate(&mut bench, there());
    bench.storage.unlink();
    let (_, answer) = bench.storage.take_answer().unwrap();
    assert!(answer.is_err() && !bench.storage.is_moving());
    bench.storage.look(&bench.content, true);
    relocate(&mut bench, there());
    assert!(bench.storage.take_answer().unwrap().1.is_err(), "a person has it checked");
}

#[test]
fn a_confirming_inspection_gives_way_to_a_move() {
    let mut bench = bench();
    bench.storage.look(&bench.content, false);
    let effects = relocate(&mut bench, there());
    assert_eq!(effects[0], Effect::LookCalledOff);
    assert_eq!(orders(&effects).len(), 2);
}

#[test]
fn two_files_never_get_the_same_name() {
    let bench = bench();
    let renamed = |name: &str| bench.storage.renamed(&bench.content, file(0), name.to_owned());
    assert_eq!(renamed("B"), Err(Sentence::NameTaken { name: "Sample/B".to_owned() }));
    let place = renamed("c").unwrap();
    assert_eq!(place.location(file(0), &bench.content), at("Sample/c"));
}
