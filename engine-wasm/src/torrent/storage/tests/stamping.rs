//! Tests of when files are stamped.

use super::*;

use shared_proto::FileRef;

use crate::handles::Access;

/// An open file that a peer has just written.
fn written() -> Bench {
    let mut bench = Bench::with(&[("a", 1)], &[None]);
    bench.open(|storage, given| storage.handle(file(0), Access::Write, given));
    let Bench { content, storage, handles, have, now } = &mut bench;
    let task = (file(0), FileRef(1), Access::Write);
    storage.opened(content, task, opened(9), Proofs::new(have, None), handles);
    storage.will_write(content, file(0), *now);
    bench
}

fn next(bench: &mut Bench, is_stopped: bool) -> Vec<Task> {
    bench.open(|storage, given| storage.stamp_next(is_stopped, given)).iter().map(task).collect()
}

fn stamped(bench: &mut Bench, stat: Option<FileStat>) -> Vec<Effect> {
    let Bench { content, storage, have, now, .. } = bench;
    let result = Ok(OpOutput::Stat(stat));
    storage.stamped(content, file(0), result, Proofs::new(have, None), *now)
}

#[test]
fn a_quiet_file_is_synced_and_then_inspected() {
    let mut bench = written();
    assert_eq!(next(&mut bench, false), []);
    bench.wait(4);
    assert_eq!(next(&mut bench, false), [Task::Sync(file(0))]);
    assert_eq!(next(&mut bench, false), [], "it is under way");
    let look = bench.storage.synced(&bench.content, file(0), true);
    assert_eq!(look, Some(looks_at(Task::Stamp(file(0)), "a")));
    assert_eq!(stamped(&mut bench, Some(stat(1, 9))), [Effect::Touch]);
    assert_eq!(bench.storage.record().stamps.len(), 1);
}

#[test]
fn the_file_of_a_stopped_torrent_need_not_be_quiet() {
    let mut bench = written();
    assert_eq!(next(&mut bench, true), [Task::Sync(file(0))]);
}

#[test]
fn a_file_that_may_be_written_to_is_not_stamped() {
    let mut bench = written();
    bench.wait(4);
    bench.storage.pin(&bench.content, piece(0), &mut bench.handles);
    assert_eq!(next(&mut bench, false), []);
    bench.storage.unpin(&bench.content, piece(0), &mut bench.handles);
    assert_eq!(next(&mut bench, false), [Task::Sync(file(0))]);
}

#[test]
fn a_write_invalidates_a_pending_stamp() {
    let mut bench = written();
    bench.wait(4);
    next(&mut bench, false);
    bench.storage.will_write(&bench.content, file(0), bench.now);
    assert_eq!(bench.storage.synced(&bench.content, file(0), true), None);
    assert_eq!(bench.storage.record().stamps, []);
    bench.wait(4);
    assert_eq!(next(&mut bench, false), [Task::Sync(file(0))], "and it is tried again");
}

#[test]
fn a_file_changed_by_another_program_is_hashed_instead() {
    let mut bench = written();
    bench.wait(4);
    next(&mut bench, false);
    bench.storage.synced(&bench.content, file(0), true);
    stamped(&mut bench, Some(stat(1, 9)));
    // It is stamped again although nothing was written, as after a move.
    bench.storage.wants_stamp(file(0), bench.now);
    bench.wait(4);
    next(&mut bench, false);
    bench.storage.synced(&bench.content, file(0), true);
    let effects = stamped(&mut bench, Some(FileStat { modified_ns: 9_500, ..stat(1, 9) }));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Doubt { .. })), "{effects:?}");
    assert_eq!(bench.storage.record().stamps, []);
}

#[test]
fn a_write_inspects_the_file_once_more_and_removes_its_stamp() {
    let mut bench = written();
    bench.wait(4);
    next(&mut bench, false);
    bench.storage.synced(&bench.content, file(0), true);
    stamped(&mut bench, Some(stat(1, 9)));
    let look = bench.storage.will_write(&bench.content, file(0), bench.now);
    assert_eq!(look, Some(looks_at(Task::Glance(file(0), stat(1, 9)), "a")));
    assert_eq!(bench.storage.record().stamps, []);
    assert_eq!(bench.storage.will_write(&bench.content, file(0), bench.now), None, "only once");
}

#[test]
fn a_viewer_causes_an_inspection_at_limited_intervals() {
    let mut bench = Bench::with(&[("a", 1)], &[Some(stat(1, 7))]);
    let glance = |bench: &mut Bench| bench.storage.glance(&bench.content, file(0), bench.now);
    let look = looks_at(Task::Glance(file(0), stat(1, 7)), "a");
    assert_eq!(glance(&mut bench), Some(look.clone()));
    assert_eq!(glance(&mut bench), None);
    let again = bench.storage.distrust(&bench.content, file(0), bench.now);
    assert_eq!(again, Some(look.clone()), "unless its bytes can't be read");
    bench.wait(6);
    assert_eq!(glance(&mut bench), Some(look));
}

#[test]
fn an_inspection_with_a_known_state_reports_nothing() {
    let mut bench = Bench::with(&[("a", 1)], &[Some(stat(1, 7))]);
    let (then, other) = (stat(1, 7), FileStat { modified_ns: 9_500, ..stat(1, 7) });
    let Bench { content, storage, have, now, .. } = &mut bench;
    let mut glanced = |then: FileStat, found: Option<FileStat>| {
        let result = Ok(OpOutput::Stat(found));
        storage.glanced(content, (file(0), then), result, Proofs::new(have, None), *now)
    };
    assert_eq!(glanced(then, Some(then)), []);
    assert_eq!(glanced(other, Some(then)), []);
    assert!(!glanced(then, Some(other)).is_empty());
}
