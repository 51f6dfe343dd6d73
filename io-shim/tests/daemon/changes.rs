//! Other programs change files that are served. No viewer gets their bytes, and the engine learns
//! of the change first.

use std::fs::{self, FileTimes, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

use shared_proto::io::{FileStat, OpOutput, OpenMode};
use shared_proto::{DaemonMessage, EngineMessage, FileId, FileRef, IoCommand, OpId};

use crate::rig::{Brain, Rig, film, soon};

/// More than the buffers between the daemon and a stopped viewer hold.
const LONG: usize = 32 << 20;

/// A daemon whose engine knows the film's state.
async fn watched_film(length: usize) -> (Rig, Brain) {
    let (rig, mut brain) = Rig::with_film(length).await;
    look(&mut brain, 1).await;
    (rig, brain)
}

/// The engine looks at the film.
async fn look(brain: &mut Brain, op: u64) -> Option<FileStat> {
    let root = brain.roots[0].key.clone();
    brain.order(&[IoCommand::FileStat { op: OpId(op), root, path: vec!["film.mp4".into()] }]).await;
    match brain.done(OpId(op)).await {
        OpOutput::Stat(stat) => stat,
        other => panic!("{other:?}"),
    }
}

fn path(rig: &Rig) -> PathBuf {
    rig.folders.downloads.path().join("film.mp4")
}

/// Another program overwrites the film in place and resets its time.
fn overwrite(rig: &Rig, bytes: &[u8]) {
    let before = fs::metadata(path(rig)).unwrap();
    let changed = |found: &fs::Metadata| std::os::unix::fs::MetadataExt::ctime_nsec(found);
    // Waits for the file system's clock to advance.
    loop {
        let mut file = OpenOptions::new().write(true).open(path(rig)).unwrap();
        file.write_all(bytes).unwrap();
        file.set_times(FileTimes::new().set_modified(before.modified().unwrap())).unwrap();
        if changed(&file.metadata().unwrap()) != changed(&before) {
            break;
        }
    }
    assert_eq!(fs::metadata(path(rig)).unwrap().modified().unwrap(), before.modified().unwrap());
}

/// The next message about a changed file.
async fn change(brain: &mut Brain) -> (Option<FileStat>, bool) {
    soon(brain.next(|message| match message {
        DaemonMessage::FileChanged { file_id, stat, sending } => {
            assert_eq!(*file_id, FileId::from("film"));
            Some((*stat, *sending))
        }
        _ => None,
    }))
    .await
}

fn changes(brain: &Brain) -> usize {
    brain
        .heard
        .iter()
        .filter(|message| matches!(message, DaemonMessage::FileChanged { .. }))
        .count()
}

#[tokio::test]
async fn the_engine_hears_of_a_change_before_it_is_asked_about_the_file_again() {
    let (rig, mut brain) = watched_film(10_000).await;
    let mut viewer = rig.watch("bytes=0-99").await;
    let (id, ..) = brain.asked().await;
    brain.available(id).await;
    assert_eq!(viewer.reply().await.body, film(10_000)[..100]);
    assert_eq!(changes(&brain), 0);
    overwrite(&rig, &[0; 10_000]);
    let _viewer = rig.watch("bytes=0-99").await;
    let (stat, sending) = change(&mut brain).await;
    assert!(stat.is_some_and(|stat| stat.length == 10_000) && !sending);
    brain.asked().await;
    let _another = rig.watch("bytes=0-99").await;
    brain.asked().await;
    assert_eq!(changes(&brain), 1, "it is told once");
    assert_eq!(look(&mut brain, 2).await, stat);
}

#[tokio::test]
async fn a_running_reply_is_cut_when_another_program_changes_the_file() {
    let (rig, mut brain) = watched_film(LONG).await;
    let mut viewer = rig.watch("bytes=0-").await;
    let (id, ..) = brain.asked().await;
    brain.available(id).await;
    viewer.head().await;
    overwrite(&rig, &vec![0; LONG]);
    let body = viewer.take(LONG).await;
    assert!(body.len() < LONG && body == film(LONG)[..body.len()], "{} bytes came", body.len());
    let (stat, sending) = change(&mut brain).await;
    assert!(stat.is_some() && sending);
    brain.cancelled(id).await;
}

#[tokio::test]
async fn a_change_that_the_engine_saw_first_cuts_the_reply_all_the_same() {
    let (rig, mut brain) = watched_film(LONG).await;
    let mut viewer = rig.watch("bytes=0-").await;
    let (id, ..) = brain.asked().await;
    brain.available(id).await;
    viewer.head().await;
    overwrite(&rig, &vec![0; LONG]);
    look(&mut brain, 2).await;
    let body = viewer.take(LONG).await;
    assert!(body.len() < LONG && body == film(LONG)[..body.len()], "{} bytes came", body.len());
}

#[tokio::test]
async fn a_file_that_was_replaced_is_another_one_and_one_that_is_gone_is_none() {
    let (rig, mut brain) = watched_film(LONG).await;
    let mut viewer = rig.watch("bytes=0-").await;
    let (id, ..) = brain.asked().await;
    brain.available(id).await;
    viewer.head().await;
    rig.folders.write("other.mp4", &[7; 5]);
    fs::rename(rig.folders.downloads.path().join("other.mp4"), path(&rig)).unwrap();
    let body = viewer.take(LONG).await;
    assert!(body.len() < LONG && body == film(LONG)[..body.len()]);
    assert_eq!(change(&mut brain).await.0.map(|stat| stat.length), Some(5));
    fs::remove_file(path(&rig)).unwrap();
    let _viewer = rig.watch("bytes=0-").await;
    assert_eq!(change(&mut brain).await, (None, false));
    brain.asked().await;
}

#[tokio::test]
async fn what_the_engine_writes_itself_is_no_change() {
    let (rig, mut brain) = watched_film(LONG).await;
    let root = brain.roots[0].key.clone();
    let open = IoCommand::FileOpen {
        op: OpId(2),
        file: FileRef(1),
        root,
        path: vec!["film.mp4".into()],
        length: LONG as u64,
        mode: OpenMode::Write { identity: None },
    };
    brain.order(&[open]).await;
    brain.done(OpId(2)).await;
    let mut viewer = rig.watch("bytes=0-").await;
    let (id, ..) = brain.asked().await;
    brain.available(id).await;
    viewer.head().await;
    for n in 0..64_u32 {
        let at = n as usize * (LONG / 64);
        let data = film(LONG)[at..at + 1000].to_vec().into();
        let op = OpId(10 + u64::from(n));
        brain
            .order(&[IoCommand::FileWrite { op, file: FileRef(1), offset: at as u64, data }])
            .await;
        brain.done(op).await;
        assert_eq!(viewer.take(LONG / 128).await.len(), LONG / 128);
    }
    assert!(viewer.take(LONG / 2).await == film(LONG)[LONG / 2..]);
    brain.cancelled(id).await;
    // From the next look on, changes by others count again.
    look(&mut brain, 3).await;
    let mut viewer = rig.watch("bytes=0-").await;
    let (id, ..) = brain.asked().await;
    brain.available(id).await;
    viewer.head().await;
    assert_eq!(changes(&brain), 0);
    overwrite(&rig, &vec![0; LONG]);
    assert!(viewer.take(LONG).await.len() < LONG);
    change(&mut brain).await;
}

#[tokio::test]
async fn a_request_that_waits_while_the_entity_tag_changes_is_answered_with_the_new_one() {
    let (rig, mut brain) = Rig::with_film(10_000).await;
    let mut viewer = rig.watch("bytes=0-99").await;
    brain.asked().await;
    let mut announcement = brain.announcement("film", "film.mp4", 10_000);
    if let EngineMessage::FileAnnounce { etag, .. } = &mut announcement {
        *etag = "v2".into();
    }
    brain.tell(announcement).await;
    let (id, ..) = brain.asked().await;
    brain.available(id).await;
    let reply = viewer.reply().await;
    assert_eq!((reply.status, reply.headers["etag"].as_str()), (206, "\"v2\""));
}
