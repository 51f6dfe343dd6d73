//! Range requests: watermarks, revocation, patience, permits.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_grant_raises_the_watermark_and_never_beyond_the_range() {
    let mut rig = Rig::new();
    let mut viewer = rig.watch(10, 19, Patience::Some).await;
    assert_eq!(rig.heard(), [question(viewer.id(), 10, 19, false)]);
    for (end, granted) in [(5, 10), (9, 10), (10, 11), (14, 15), (12, 15), (14, 15), (99, 20)] {
        rig.grant(&viewer, Some(end));
        assert_eq!(viewer.ticket.granted(), granted, "granted up to {end}");
    }
    let began = Instant::now();
    assert_eq!(viewer.ticket.granted_beyond(19, began).await, Ok(20));
    let mut other = rig.watch(10, 19, Patience::Some).await;
    rig.grant(&other, None);
    assert_eq!(other.ticket.granted_beyond(10, began).await, Ok(20), "no end is the whole range");
}

#[tokio::test(start_paused = true)]
async fn only_granted_bytes_may_be_read() {
    let rig = Rig::new();
    let viewer = rig.watch(10, 19, Patience::Some).await;
    assert!(viewer.read(11).is_none());
    rig.grant(&viewer, Some(14));
    assert!(viewer.read(15).is_some() && viewer.read(16).is_none());
    assert!(!rig.desk.is_waiting(&FileId::from("other")));
    assert!(rig.desk.is_waiting(&FileId::from("film")), "all that is granted is read");
    rig.grant(&viewer, Some(15));
    assert!(!rig.desk.is_waiting(&FileId::from("film")));
    rig.grant(&viewer, None);
    assert!(viewer.read(20).is_some());
    assert!(!rig.desk.is_waiting(&FileId::from("film")), "it needs no more");
}

#[tokio::test(start_paused = true)]
async fn bytes_that_were_not_read_are_taken_back_and_may_be_granted_again() {
    let mut rig = Rig::new();
    let mut viewer = rig.watch(10, 29, Patience::Some).await;
    rig.grant(&viewer, Some(24));
    let lease = viewer.read(15).unwrap();
    rig.heard();
    for (start, end, granted) in [(0, 9, 25), (25, 99, 25), (20, 24, 20), (15, 99, 15)] {
        rig.revoke(start, end);
        assert_eq!(viewer.ticket.granted(), granted, "{start} to {end} were revoked");
    }
    assert!(!lease.is_cut() && viewer.read(16).is_none());
    assert_eq!(rig.heard(), [], "the engine knows the request");
    rig.grant(&viewer, None);
    assert_eq!(viewer.ticket.granted_beyond(15, Instant::now()).await, Ok(30));
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_has_read_revoked_bytes_is_cut() {
    for (start, end) in [(14, 14), (0, 10), (0, 99)] {
        let rig = Rig::new();
        let mut viewer = rig.watch(10, 29, Patience::Some).await;
        rig.grant(&viewer, None);
        let lease = viewer.read(15).unwrap();
        rig.revoke(start, end);
        assert!(lease.is_cut(), "{start} to {end}");
        assert_eq!(viewer.ticket.cut().await, End::Revoked);
        assert_eq!(viewer.ticket.granted(), 10, "nothing may be sent");
        assert!(viewer.read(11).is_none());
        let next = viewer.ticket.granted_beyond(10, Instant::now());
        assert_eq!(next.await, Err(End::Revoked));
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_wait_gets_what_is_granted_at_once() {
    let mut rig = Rig::new();
    let mut viewer = rig.watch(10, 29, Patience::None).await;
    assert_eq!(rig.heard(), [question(viewer.id(), 10, 29, true)]);
    assert!(!viewer.ticket.narrow(), "nothing is granted");
    rig.grant(&viewer, Some(14));
    rig.grant(&viewer, None);
    assert!(viewer.ticket.narrow());
    assert_eq!(viewer.ticket.range(), ByteRange { start: 10, end: 14 });
    rig.revoke(14, 14);
    assert_eq!(viewer.ticket.cut().await, End::Revoked, "its length is promised already");

    let mut late = rig.watch(10, 29, Patience::None).await;
    rig.block(&late);
    assert_eq!(late.ticket.begin().await, Err(End::NotNow));
}

#[tokio::test(start_paused = true)]
async fn a_viewer_waits_for_the_maximum_wait_since_the_engines_last_word() {
    let rig = Rig::new();
    let mut viewer = rig.watch(10, 29, Patience::Some).await;
    assert_eq!(timed(viewer.ticket.begin()).await, (120, Err(End::Silence)));
    let mut viewer = rig.watch(10, 29, Patience::Some).await;
    let (request_id, desk, epoch) = (viewer.id(), Arc::clone(&rig.desk), rig.seat.epoch);
    tokio::spawn(async move {
        let second = |at| tokio::time::sleep(Duration::from_secs(at));
        second(100).await;
        let block = EngineMessage::RangeBlock { request_id, reason: None, eta_ms: None };
        desk.handle(epoch, block).unwrap();
        second(100).await;
        let ready = EngineMessage::RangeReady { request_id, end: Some(10) };
        desk.handle(epoch, ready).unwrap();
    });
    assert_eq!(timed(viewer.ticket.begin()).await, (200, Ok(())));
    tokio::time::sleep(Duration::from_secs(500)).await;
    let next = viewer.ticket.granted_beyond(11, Instant::now());
    assert_eq!(timed(next).await, (120, Err(End::Silence)), "the wait counts from its begin");
}

#[tokio::test(start_paused = true)]
async fn a_request_outlives_its_engine_by_the_grace() {
    let mut rig = Rig::new();
    let mut viewer = rig.watch(10, 29, Patience::Some).await;
    rig.grant(&viewer, Some(14));
    rig.desk.leave(rig.seat.epoch + 1);
    assert!(rig.desk.has_engine(), "another engine's end changes nothing");
    rig.desk.leave(rig.seat.epoch);
    assert!(!rig.desk.has_engine());
    assert_eq!(viewer.ticket.granted_beyond(14, Instant::now()).await, Ok(15), "it is granted");
    let next = viewer.ticket.granted_beyond(15, Instant::now());
    assert_eq!(timed(next).await, (3, Err(End::EngineGone)));

    rig.replace_engine();
    assert_eq!(rig.heard(), [], "the new engine has announced no file");
    rig.announce("film", "tag");
    assert_eq!(rig.heard(), [question(viewer.id(), 15, 29, false)]);
    rig.announce("film", "tag");
    assert_eq!(rig.heard(), [], "it was asked once");
    rig.grant(&viewer, Some(28));
    rig.replace_engine();
    rig.announce("film", "tag");
    assert_eq!(rig.heard(), [question(viewer.id(), 29, 29, false)], "the last byte is missing");
    rig.grant(&viewer, None);
    rig.replace_engine();
    rig.announce("film", "tag");
    assert_eq!(rig.heard(), [], "all bytes are granted");
    rig.revoke(20, 20);
    assert_eq!(rig.heard(), [question(viewer.id(), 20, 29, false)]);
}

#[tokio::test(start_paused = true)]
async fn a_former_engine_grants_nothing() {
    let mut rig = Rig::new();
    let viewer = rig.watch(10, 29, Patience::Some).await;
    let former = rig.seat.epoch;
    rig.replace_engine();
    let grant = EngineMessage::RangeReady { request_id: viewer.id(), end: None };
    rig.desk.handle(former, grant.clone()).unwrap();
    assert_eq!(viewer.ticket.granted(), 10);
    rig.tell(grant.clone());
    assert_eq!(viewer.ticket.granted(), 10, "the new engine was not asked yet");
    rig.announce("film", "tag");
    rig.tell(grant);
    assert_eq!(viewer.ticket.granted(), 30);
}

#[tokio::test(start_paused = true)]
async fn the_engine_learns_of_each_end_once_unless_it_rejected() {
    let mut rig = Rig::new();
    let left = rig.watch(10, 29, Patience::Some).await;
    let id = left.id();
    rig.heard();
    left.ticket.progress(12);
    let position = 12;
    assert_eq!(rig.heard(), [DaemonMessage::RangeProgress { request_id: id, position }]);
    drop(left);
    assert_eq!(rig.heard(), [DaemonMessage::RangeCancel { request_id: id }]);

    let mut rejected = rig.watch(10, 29, Patience::Some).await;
    let (request_id, reason) = (rejected.id(), Some("not there".to_owned()));
    let (status, retry_after) = (Some(404), None);
    let reject = EngineMessage::RangeReject { request_id, status, reason, retry_after };
    rig.tell(reject);
    assert!(matches!(rejected.ticket.begin().await, Err(End::Rejected { .. })));
    rig.heard();
    drop(rejected);
    assert_eq!(rig.heard(), []);

    let mut begun = rig.watch(10, 29, Patience::Some).await;
    rig.grant(&begun, Some(14));
    let (request_id, reason) = (begun.id(), None);
    let (status, retry_after) = (None, None);
    rig.tell(EngineMessage::RangeReject { request_id, status, reason, retry_after });
    let now = Instant::now();
    assert_eq!(begun.ticket.granted_beyond(14, now).await, Ok(15), "what is granted is sent");
    assert_eq!(begun.ticket.granted(), 15);
    assert!(begun.ticket.granted_beyond(15, now).await.is_err());
    rig.heard();
    drop(begun);
    assert_eq!(rig.heard(), []);

    let orphan = rig.watch(10, 29, Patience::Some).await;
    rig.replace_engine();
    orphan.ticket.progress(12);
    drop(orphan);
    assert_eq!(rig.heard(), [], "the new engine does not know the request");
}

#[tokio::test(start_paused = true)]
async fn a_viewer_without_a_permit_is_turned_away() {
    let rig = Rig::with_permits(1, 1);
    let mut waits = rig.watch(0, 9, Patience::Some).await;
    rig.block(&waits);
    let mut late = rig.watch(0, 9, Patience::Some).await;
    rig.block(&late);
    assert_eq!(late.ticket.begin().await, Err(End::Busy));
    let mut partly = rig.watch(0, 9, Patience::Some).await;
    rig.grant(&partly, Some(8));
    assert_eq!(partly.ticket.begin().await, Err(End::Busy), "the rest has to wait");
    let mut whole = rig.watch(0, 9, Patience::Some).await;
    rig.grant(&whole, Some(9));
    assert_eq!(whole.ticket.begin().await, Ok(()), "it takes a permit of the other kind");
    rig.grant(&waits, None);
    assert_eq!(waits.ticket.begin().await, Ok(()), "it keeps the permit that it has");
    drop(whole);
    let mut next = rig.watch(0, 9, Patience::Some).await;
    rig.grant(&next, None);
    assert_eq!(next.ticket.begin().await, Ok(()));
    drop((waits, next, late, partly));
    assert_eq!(rig.desk.viewers(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn viewers_are_counted_and_those_without_a_byte_of_them() {
    let rig = Rig::new();
    let granted = rig.watch(10, 29, Patience::Some).await;
    rig.grant(&granted, Some(10));
    let blocked = rig.watch(10, 29, Patience::Some).await;
    rig.block(&blocked);
    assert_eq!(rig.desk.viewers(), (2, 1));
    let Viewer { ticket, slot } = blocked;
    drop(ticket);
    assert_eq!(rig.desk.viewers(), (2, 0));
    drop(slot);
    assert_eq!(rig.desk.viewers(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stopping_desk_begins_no_reply_and_lets_running_ones_end() {
    let rig = Rig::new();
    let mut running = rig.watch(10, 29, Patience::Some).await;
    rig.grant(&running, Some(14));
    let mut waits = rig.watch(10, 29, Patience::Some).await;
    assert!(!rig.desk.is_stopping());
    rig.desk.stop();
    assert!(rig.desk.is_stopping());
    assert_eq!(waits.ticket.begin().await, Err(End::Stopping));
    assert_eq!(running.ticket.granted_beyond(14, Instant::now()).await, Ok(15));
    assert!(matches!(rig.desk.admit(&FileId::from("film"), None), Err(Refusal::Stopping)));
    assert_eq!(rig.desk.find(&FileId::from("film"), &SESSION).await, Err(Refusal::Stopping));
    rig.desk.cut_all();
    assert_eq!(running.ticket.cut().await, End::Stopping);
    assert!(!rig.desk.has_engine());
}
