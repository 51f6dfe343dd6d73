//! Notes that several processes of a user share.

use shared_proto::{
    IoCommand, IoEvent,
    io::{Notes, OpErrorKind, OpOutput},
};

use crate::bench::Bench;

async fn put(bench: &mut Bench, key: &str, value: &str, age_ms: u64) -> Vec<String> {
    let (key, value) = (key.to_owned(), value.to_owned());
    match bench.ask(|op| IoCommand::NotePut { op, key, value, age_ms }).await {
        Ok(OpOutput::Notes(kept)) => values(kept),
        other => panic!("{other:?}"),
    }
}

async fn read(bench: &mut Bench) -> Vec<String> {
    match bench.ask(|op| IoCommand::NotesRead { op }).await {
        Ok(OpOutput::Notes(all)) => values(all),
        other => panic!("{other:?}"),
    }
}

fn values(notes: Notes) -> Vec<String> {
    notes.notes.into_iter().map(|note| note.value).collect()
}

#[tokio::test]
async fn an_engine_is_told_what_another_process_writes_and_a_late_note_loses() {
    let mut one = Bench::new();
    let mut other = one.another_process();
    assert_eq!(read(&mut one).await, [""; 0]);
    assert_eq!(put(&mut other, "a", "second", 0).await, ["second"]);
    match one.event().await {
        IoEvent::NotesChanged { notes } => assert_eq!(values(notes), ["second"]),
        other => panic!("{other:?}"),
    }
    assert_eq!(put(&mut one, "a", "first, and sent again", 60_000).await, ["second"]);
    assert_eq!(put(&mut one, "b", "own", 0).await, ["own"]);
    assert_eq!(read(&mut other).await, ["second", "own"]);
    assert!(one.is_silent().await, "its own notes are no news");
}

#[tokio::test]
async fn a_note_has_a_greatest_length() {
    let mut bench = Bench::new();
    let value = "x".repeat(5_000);
    let refused =
        bench.ask(|op| IoCommand::NotePut { op, key: "a".into(), value, age_ms: 0 }).await;
    assert_eq!(refused.unwrap_err().kind, OpErrorKind::Limit);
}
