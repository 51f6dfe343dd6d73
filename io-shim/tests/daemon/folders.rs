//! Folders that a person chooses while the daemon runs. They are used at once and remembered, or
//! refused with a reason.

use std::fs;

use shared_proto::io::{OpError, OpErrorKind, OpOutput};
use shared_proto::{EngineMessage, FileId, FileRef, IoCommand, IoEvent, OpId, OpenMode};

use crate::rig::{Brain, Rig, soon};

async fn answer(brain: &mut Brain, op: u64) -> Result<OpOutput, OpError> {
    loop {
        if let IoEvent::Done { op: done, result } = brain.event().await
            && done == OpId(op)
        {
            return result;
        }
    }
}

async fn prefer(brain: &mut Brain, op: u64, path: &str) -> Result<Vec<String>, OpError> {
    brain.tell(EngineMessage::RootPrefer { answer: OpId(op), path: path.to_owned() }).await;
    match answer(brain, op).await? {
        OpOutput::Roots(roots) => Ok(roots.into_iter().map(|root| root.path).collect()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_folder_that_is_chosen_is_used_at_once_and_told_to_the_next_engine() {
    let rig = Rig::start().await;
    let mut brain = rig.brain().await;
    let more = rig.folders.downloads.path().with_file_name(format!(
        "{}-more",
        rig.folders.downloads.path().file_name().unwrap().to_string_lossy()
    ));
    fs::create_dir(&more).unwrap();
    let paths = prefer(&mut brain, 1, more.to_str().unwrap()).await.unwrap();
    assert_eq!(paths[0], more.display().to_string());
    assert_eq!(paths.len(), 2, "the former one stays");
    drop(brain);
    let mut brain = rig.brain().await;
    assert_eq!(brain.roots[0].path, more.display().to_string());
    let root = brain.roots[0].key.clone();
    let open = |op| IoCommand::FileOpen {
        op,
        file: FileRef(1),
        root,
        path: vec!["a".into()],
        length: 3,
        mode: OpenMode::Create,
    };
    brain.order(&[open(OpId(2))]).await;
    brain.done(OpId(2)).await;
    assert_eq!(fs::metadata(more.join("a")).unwrap().len(), 3);
    fs::remove_dir_all(&more).unwrap();
}

#[tokio::test]
async fn a_folder_that_gave_way_to_one_inside_it_is_found_by_its_key_then_and_after_a_restart() {
    let rig = Rig::start().await;
    let mut brain = rig.brain().await;
    let former = brain.roots[0].key.clone();
    let outer = rig.folders.downloads.path().to_path_buf();
    let inner = outer.join("inner");
    fs::create_dir(&inner).unwrap();
    let told = [inner.display().to_string()];
    assert_eq!(
        prefer(&mut brain, 1, &told[0]).await.unwrap(),
        told,
        "new engines are not told of the former one"
    );
    let open = |op, name: &str| IoCommand::FileOpen {
        op: OpId(op),
        file: FileRef(1),
        root: former.clone(),
        path: vec![name.into()],
        length: 3,
        mode: OpenMode::Create,
    };
    // The files are found after a restart, although the first one is only opened then.
    let Rig { daemon, mut folders, .. } = rig;
    drop(brain);
    soon(daemon.stop()).await;
    for (op, name) in [(2, "a"), (3, "b")] {
        let rig = Rig::start_in(folders, |_| {}).await;
        let mut brain = rig.brain().await;
        assert_eq!(brain.roots.iter().map(|root| root.path.clone()).collect::<Vec<_>>(), told);
        brain.order(&[open(op, name)]).await;
        brain.done(OpId(op)).await;
        assert_eq!(fs::metadata(outer.join(name)).unwrap().len(), 3);
        drop(brain);
        soon(rig.daemon.stop()).await;
        folders = rig.folders;
    }
}

#[tokio::test]
async fn what_can_not_be_used_is_refused_and_nothing_changes() {
    let rig = Rig::start().await;
    let mut brain = rig.brain().await;
    let before = brain.roots.clone();
    for (op, path) in
        [(1, "not/absolute"), (2, "/not/there"), (3, rig.folders.state.path().to_str().unwrap())]
    {
        assert!(prefer(&mut brain, op, path).await.is_err(), "{path}");
    }
    drop(brain);
    assert_eq!(rig.brain().await.roots, before);
}

#[tokio::test]
async fn only_files_that_were_announced_are_shown() {
    let rig = Rig::start().await;
    let mut brain = rig.brain().await;
    brain
        .tell(EngineMessage::FileShow { answer: OpId(1), file_id: FileId::from("nobody's") })
        .await;
    assert_eq!(answer(&mut brain, 1).await.unwrap_err().kind, OpErrorKind::NotFound);
}
