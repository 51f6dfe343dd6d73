//! Two stores on one folder. They behave as two processes do: the system locks open files, not
//! processes.

use std::fs;

use super::*;
use crate::testing::TempDir;

fn note(key: &str, value: &str, at_ms: u64) -> Note {
    Note { key: key.into(), value: value.into(), at_ms }
}

fn two(dir: &TempDir) -> [NoteStore; 2] {
    [(); 2].map(|()| NoteStore::new(&dir.path().join("notes")))
}

/// The values in the order of their keys.
fn values(notes: &Notes) -> Vec<&str> {
    notes.notes.iter().map(|note| note.value.as_str()).collect()
}

fn file(dir: &TempDir) -> PathBuf {
    dir.path().join("notes/notes.json")
}

#[test]
fn what_one_program_writes_the_others_are_told() {
    let dir = TempDir::new();
    let [one, other] = two(&dir);
    assert_eq!(one.read().unwrap(), Notes::default());
    assert!(!dir.path().join("notes").exists(), "to read makes nothing");
    other.read().unwrap();
    assert_eq!(values(&one.put(note("a", "1", 10)).unwrap()), ["1"]);
    assert_eq!(one.news(), None, "its own notes are no news");
    assert_eq!(values(&other.news().unwrap()), ["1"]);
    assert_eq!(other.news(), None, "it was told");
    // A note of another process that is first seen during a write is reported, too.
    other.put(note("b", "2", 11)).unwrap();
    one.put(note("c", "3", 12)).unwrap();
    assert_eq!(values(&one.news().unwrap()), ["2"]);
    assert_eq!(values(&other.read().unwrap()), ["1", "2", "3"]);
    one.engine_connected();
    assert_eq!(one.news(), None, "an engine that did not ask is told nothing");
}

#[test]
fn the_newest_note_of_each_key_is_kept_in_any_order() {
    let dir = TempDir::new();
    let [one, other] = two(&dir);
    one.put(note("a", "newer", 20)).unwrap();
    let kept = other.put(note("a", "older", 10)).unwrap();
    assert_eq!(kept.notes, [note("a", "newer", 20)], "a late writer learns which note is kept");
    assert_eq!(values(&one.read().unwrap()), ["newer"]);
    one.put(note("a", "newest", 20)).unwrap();
    assert_eq!(values(&other.read().unwrap()), ["newest"], "of two at one time the later");
    let wrong_clock = now_ms() + 1_000_000;
    one.put(note("a", "from the future", wrong_clock)).unwrap();
    other.put(note("a", "now", now_ms())).unwrap();
    assert_eq!(values(&one.read().unwrap()), ["now"]);
}

#[test]
fn programs_that_write_at_once_lose_nothing() {
    let dir = TempDir::new();
    std::thread::scope(|scope| {
        for (name, store) in ["x", "y", "z"].into_iter().zip(two(&dir).into_iter().chain(two(&dir)))
        {
            scope.spawn(move || {
                for number in 0..40 {
                    store.put(note(&format!("{name}{number}"), name, 1)).unwrap();
                }
            });
        }
    });
    assert_eq!(NoteStore::new(&dir.path().join("notes")).read().unwrap().notes.len(), 120);
}

#[test]
fn the_oldest_go_when_there_are_too_many_and_long_ones_are_refused() {
    let dir = TempDir::new();
    let [store, _] = two(&dir);
    let notes = (0..MAX_NOTES as u64).map(|at| note(&format!("{at:05}"), "", at + 1)).collect();
    fs::create_dir_all(dir.path().join("notes")).unwrap();
    fs::write(file(&dir), serde_json::to_vec(&Form { version: VERSION, notes }).unwrap()).unwrap();
    store.put(note("new", "", 1_000_000)).unwrap();
    let kept = store.read().unwrap().notes;
    assert_eq!((kept.len(), kept[0].key.as_str()), (MAX_NOTES, "00001"));
    for long in
        [note(&"k".repeat(MAX_NOTE_KEY + 1), "", 1), note("k", &"v".repeat(MAX_NOTE + 1), 1)]
    {
        assert_eq!(store.put(long).unwrap_err().kind, OpErrorKind::Limit);
    }
}

#[test]
fn a_damaged_file_is_set_aside_and_what_was_known_of_it_is_written_again() {
    for damage in ["", "{\"version\":1,\"notes\":[{\"key\":\"a\"", "noise"] {
        let dir = TempDir::new();
        let [store, other] = two(&dir);
        store.put(note("a", "1", 1)).unwrap();
        store.read().unwrap();
        other.read().unwrap();
        fs::write(file(&dir), damage).unwrap();
        let told = store.news().expect("it is said");
        assert!(told.set_aside[0].ends_with("notes.json.damaged-1"), "{told:?}");
        assert_eq!(fs::read_to_string(&told.set_aside[0]).unwrap(), damage, "it is kept as it was");
        assert_eq!(store.news(), None, "it is said once");
        store.put(note("b", "2", 2)).unwrap();
        assert_eq!(values(&NoteStore::new(&dir.path().join("notes")).read().unwrap()), ["1", "2"]);
        assert_eq!(other.news().map(|news| news.set_aside.len()), Some(1), "all are told");
    }
}

#[test]
fn a_deleted_file_is_not_brought_back() {
    let dir = TempDir::new();
    let [store, _] = two(&dir);
    store.put(note("a", "1", 1)).unwrap();
    fs::remove_file(file(&dir)).unwrap();
    store.put(note("b", "2", 2)).unwrap();
    assert_eq!(values(&store.read().unwrap()), ["2"]);
}

#[test]
fn a_file_of_a_newer_version_is_left_as_it_is() {
    let dir = TempDir::new();
    let [store, _] = two(&dir);
    store.put(note("a", "1", 1)).unwrap();
    let newer = "{\"version\":2,\"more\":true}";
    fs::write(file(&dir), newer).unwrap();
    assert!(store.put(note("b", "2", 2)).unwrap_err().message.contains("newer version"));
    assert!(store.read().is_err());
    assert_eq!(fs::read_to_string(file(&dir)).unwrap(), newer);
}

#[cfg(unix)]
#[test]
fn the_notes_are_the_users_alone_and_a_failed_write_changes_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new();
    let [store, _] = two(&dir);
    store.put(note("a", "1", 1)).unwrap();
    let mode =
        |path: &str| fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("notes"), mode("notes/notes.json")), (0o700, 0o600));
    // A folder has the draft's name, so no draft can be created.
    fs::create_dir(dir.path().join("notes/notes.json.new")).unwrap();
    assert!(store.put(note("a", "2", 2)).is_err());
    assert_eq!(values(&store.read().unwrap()), ["1"]);
    fs::remove_dir(dir.path().join("notes/notes.json.new")).unwrap();
    store.put(note("a", "2", 2)).unwrap();
    assert_eq!(values(&store.read().unwrap()), ["2"]);
}
