//! Announced files: who finds them, and what their changes do to requests.

use super::*;

const KEY: Credential<'_> = Credential { is_session: false, key: Some("c0ffee") };
const WRONG: Credential<'_> = Credential { is_session: false, key: Some("c0ffef") };

#[tokio::test(start_paused = true)]
async fn a_file_opens_to_its_key_or_the_session() {
    let rig = Rig::new();
    let find = |id: &'static str, credential| {
        let desk = Arc::clone(&rig.desk);
        async move { timed(desk.find(&FileId::from(id), &credential)).await }
    };
    assert!(find("film", KEY).await.1.is_ok());
    assert!(find("film", SESSION).await.1.is_ok());
    // The engine has just connected: it may still announce another key or file.
    assert_eq!(find("film", WRONG).await, (3, Err(Refusal::Denied)));
    assert_eq!(find("film", WRONG).await, (0, Err(Refusal::Denied)));
    assert_eq!(find("other", KEY).await, (0, Err(Refusal::Denied)), "a stranger learns no names");
    assert_eq!(find("other", SESSION).await, (0, Err(Refusal::Unknown)));
}

#[tokio::test(start_paused = true)]
async fn a_viewer_waits_for_the_grace_until_an_engine_announces_the_file() {
    let mut rig = Rig::new();
    rig.desk.leave(rig.seat.epoch);
    let id = FileId::from("film");
    assert_eq!(timed(rig.desk.find(&id, &KEY)).await, (3, Err(Refusal::NoEngine)));
    let desk = Arc::clone(&rig.desk);
    let finding = tokio::spawn(async move { timed(desk.find(&FileId::from("film"), &KEY)).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    rig.replace_engine();
    tokio::time::sleep(Duration::from_secs(1)).await;
    rig.announce("film", "tag");
    let (seconds, found) = finding.await.unwrap();
    assert_eq!((seconds, found.is_ok()), (2, true));
}

#[tokio::test(start_paused = true)]
async fn announcements_belong_to_the_engine_that_made_them() {
    let mut rig = Rig::new();
    let id = FileId::from("film");
    let former = rig.seat.epoch;
    assert!(rig.desk.announced(former, &id).is_some());
    rig.replace_engine();
    assert_eq!(rig.seat.epoch, former + 1);
    assert!(rig.desk.announced(rig.seat.epoch, &id).is_none());
    rig.announce("film", "tag");
    assert!(rig.desk.announced(rig.seat.epoch, &id).is_some());
    assert!(rig.desk.announced(former, &id).is_none());
}

#[tokio::test(start_paused = true)]
async fn other_bytes_or_no_file_cut_the_replies_of_this_file_only() {
    let rig = Rig::new();
    rig.announce("other", "tag");
    let mut viewer = rig.watch(10, 29, Patience::Some).await;
    rig.grant(&viewer, None);
    rig.announce("film", "tag");
    rig.announce("other", "another-tag");
    rig.tell(EngineMessage::FileForget { file_id: FileId::from("other") });
    assert_eq!(viewer.ticket.granted(), 30);
    rig.announce("film", "another-tag");
    assert_eq!(viewer.ticket.cut().await, End::Changed);
    rig.tell(EngineMessage::FileForget { file_id: FileId::from("film") });
    assert_eq!(viewer.ticket.cut().await, End::Changed, "the first reason counts");
    rig.announce("film", "tag");
    viewer = rig.watch(10, 29, Patience::Some).await;
    rig.tell(EngineMessage::FileForget { file_id: FileId::from("film") });
    assert_eq!(viewer.ticket.cut().await, End::Forgotten);
    assert!(rig.desk.announced(rig.seat.epoch, &FileId::from("film")).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_reply_follows_its_bytes_to_another_path() {
    let rig = Rig::new();
    let file = rig.desk.find(&FileId::from("film"), &SESSION).await.unwrap();
    let moved = |etag: &str| {
        rig.tell(EngineMessage::FileAnnounce {
            file_id: file.id.clone(),
            root: RootKey::from("elsewhere"),
            path: vec!["moved".into()],
            length: 100,
            content_type: file.content_type.clone(),
            etag: etag.into(),
            key: file.key.clone(),
        });
        rig.desk.where_now(&file).root.clone()
    };
    assert_eq!(moved("tag"), RootKey::from("elsewhere"));
    assert_eq!(moved("another-tag"), RootKey::from("downloads"), "those are other bytes");
}

#[tokio::test(start_paused = true)]
async fn the_engine_hears_of_changes_of_files_that_it_announced() {
    let mut rig = Rig::new();
    let file = rig.desk.find(&FileId::from("film"), &SESSION).await.unwrap();
    rig.desk.changed(&file, None, true);
    let file_id = file.id.clone();
    let changed =
        DaemonMessage::FileChanged { file_id: file_id.clone(), stat: None, sending: true };
    assert_eq!(rig.heard(), [changed]);
    rig.tell(EngineMessage::FileForget { file_id });
    rig.desk.changed(&file, None, true);
    assert_eq!(rig.heard(), []);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_reads_no_messages_is_dismissed() {
    let mut rig = Rig::new();
    let viewer = rig.watch(10, 29, Patience::Some).await;
    for _ in 0..8_191 {
        viewer.ticket.progress(11);
    }
    assert!(rig.desk.has_engine());
    viewer.ticket.progress(11);
    assert!(!rig.desk.has_engine());
    let why = (&mut rig.seat.dismissed).await;
    assert_eq!(why, Ok(shared_proto::CloseCode::GoingAway));
}

#[tokio::test(start_paused = true)]
async fn a_desk_is_idle_without_engine_viewer_and_call() {
    let mut rig = Rig::new();
    let pass = || tokio::time::sleep(Duration::from_secs(10));
    let idle_s = |rig: &Rig| rig.desk.idle_for().as_secs();
    pass().await;
    assert_eq!(idle_s(&rig), 0, "an engine is connected");
    let viewer = rig.watch(10, 29, Patience::Some).await;
    rig.desk.leave(rig.seat.epoch);
    pass().await;
    assert_eq!(idle_s(&rig), 0, "a viewer is there");
    drop(viewer);
    pass().await;
    assert_eq!(idle_s(&rig), 10);
    let call = rig.desk.call(Question::File { path: "a".into() }).unwrap();
    pass().await;
    assert_eq!(idle_s(&rig), 0, "a call waits");
    pass().await;
    drop(call);
    pass().await;
    assert_eq!(idle_s(&rig), 10);
    rig.replace_engine();
    pass().await;
    rig.desk.leave(rig.seat.epoch);
    pass().await;
    assert_eq!(idle_s(&rig), 10);
}

#[tokio::test(start_paused = true)]
async fn a_request_for_a_file_that_was_just_forgotten_waits_for_it() {
    let mut rig = Rig::new();
    let id = FileId::from("film");
    let file = rig.desk.find(&id, &SESSION).await.unwrap();
    rig.tell(EngineMessage::FileForget { file_id: id.clone() });
    let slot = rig.desk.admit(&id, None).expect("the desk does not stop");
    let range = ByteRange { start: 10, end: 29 };
    let mut ticket = rig.desk.ask(Arc::clone(&file), range, Patience::Some, &slot);
    assert_eq!(rig.heard(), []);
    rig.announce("film", "tag");
    assert_eq!(rig.heard(), [question(ticket.id(), 10, 29, false)]);
    rig.tell(EngineMessage::FileForget { file_id: id });
    assert_eq!(ticket.begin().await, Err(End::Forgotten));
    let mut ticket = rig.desk.ask(file, range, Patience::Some, &slot);
    assert_eq!(timed(ticket.begin()).await, (3, Err(End::EngineGone)));
}
