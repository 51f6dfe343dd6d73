//! The state store as engines, programs and Chrome see it. Its file is damaged, newer, or cannot be
//! written.
#![cfg(unix)]

use bytes::Bytes;
use redb::TableDefinition;
use shared_proto::{DaemonMessage, IoCommand, OpId};

use crate::rig::{Brain, Folders, Rig, soon};

const FILE: &str = "state.redb";

/// What the daemon last says about its store, once `is_so` holds for it.
async fn status(
    brain: &mut Brain,
    is_so: impl Fn(&Option<String>, &[String], u32) -> bool,
) -> (Option<String>, Vec<String>) {
    brain
        .next(|message| match message {
            DaemonMessage::StateStatus { trouble, set_aside, begun_anew }
                if is_so(trouble, set_aside, *begun_anew) =>
            {
                Some((trouble.clone(), set_aside.clone()))
            }
            _ => None,
        })
        .await
}

#[tokio::test]
async fn engines_hear_of_a_file_that_was_set_aside() {
    let folders = Folders::new();
    std::fs::write(folders.state.path().join(FILE), "garbage").unwrap();
    let rig = Rig::start_in(folders, |_| {}).await;
    let aside = rig.folders.state.path().join("state.redb.corrupt-1");
    let expected = (None, vec![aside.display().to_string()]);
    for _ in 0..2 {
        let mut brain = rig.brain().await;
        assert_eq!(soon(status(&mut brain, |_, _, begun_anew| begun_anew == 1)).await, expected);
    }
    assert_eq!(std::fs::read(aside).unwrap(), b"garbage");
}

#[tokio::test]
async fn engines_and_programs_hear_when_nothing_can_be_written_and_when_that_is_over() {
    let rig = Rig::start().await;
    let mut brain = rig.brain().await;
    let folder = rig.folders.state.path().to_owned();
    let away = folder.with_extension("away");
    std::fs::rename(&folder, &away).unwrap();
    let put =
        |op| IoCommand::KvPut { op: OpId(op), key: "a".into(), value: Bytes::from_static(b"1") };
    brain.order(&[put(1)]).await;
    let (trouble, _) = soon(status(&mut brain, |trouble, _, _| trouble.is_some())).await;
    assert!(trouble.unwrap().contains("folder is not there"));
    assert!(rig.get("/health", &[]).await.text().contains("\"stateSaved\":false"));
    // Another engine learns of it, too.
    let mut brain = rig.brain().await;
    soon(status(&mut brain, |trouble, _, _| trouble.is_some())).await;
    std::fs::rename(&away, &folder).unwrap();
    soon(status(&mut brain, |trouble, _, _| trouble.is_none())).await;
    assert!(rig.get("/health", &[]).await.text().contains("\"stateSaved\":true"));
    brain.order(&[IoCommand::KvGet { op: OpId(2), key: "a".into() }]).await;
    assert_eq!(
        brain.done(OpId(2)).await,
        shared_proto::io::OpOutput::Value(Some(Bytes::from_static(b"1")))
    );
}

/// A store as a later version of this program may write it.
pub(crate) fn newer(folders: &Folders) -> Vec<u8> {
    let path = folders.state.path().join(FILE);
    let database = redb::Database::create(&path).unwrap();
    let write = database.begin_write().unwrap();
    write
        .open_table(TableDefinition::<&str, u64>::new("meta"))
        .unwrap()
        .insert("schema", 1_000)
        .unwrap();
    write.commit().unwrap();
    drop(database);
    std::fs::read(path).unwrap()
}
