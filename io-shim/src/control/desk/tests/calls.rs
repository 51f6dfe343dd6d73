//! Calls of the HTTP API and questions about paths.

use std::task::{Context, Poll, Waker};

use super::*;

fn call(method: http::Method) -> Question {
    Question::Http {
        method,
        path: "/things".into(),
        query: String::new(),
        host: "localhost".into(),
        content_type: None,
        content: vec![b"abc".as_slice().into(), b"de".as_slice().into()],
    }
}

/// A part of a reply with this body.
fn part(body: &str, more: bool) -> Part {
    Part::Reply { status: 200, headers: Vec::new(), body: body.into(), more }
}

impl Rig {
    fn call(&self, question: Question) -> CallTicket {
        self.desk.call(question).expect("there is room")
    }

    fn reply(&self, ticket: &CallTicket, body: &str, more: bool) {
        let (request_id, headers) = (ticket.id(), Vec::new());
        let body = body.to_owned();
        self.tell(EngineMessage::HttpReply { request_id, status: 200, headers, body, more });
    }
}

fn next(ticket: &mut CallTicket) -> Poll<Option<Part>> {
    ticket.poll_part(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn a_call_goes_to_the_engine_with_its_content_and_its_answer_comes_in_parts() {
    let mut rig = Rig::new();
    let mut ticket = rig.call(call(http::Method::POST));
    let said = rig.seat.outbox.try_recv().unwrap();
    let DaemonMessage::HttpCall { request_id, method, content_length, .. } = said.message else {
        panic!("{said:?}");
    };
    assert_eq!((request_id, method.as_str(), content_length), (ticket.id(), "POST", 5));
    assert_eq!(said.content.len(), 2);
    rig.reply(&ticket, "a", true);
    rig.reply(&ticket, "b", false);
    rig.reply(&ticket, "too late", false);
    assert_eq!(ticket.answer().await, Ok(part("a", true)));
    assert_eq!(next(&mut ticket), Poll::Ready(Some(part("b", false))));
    assert_eq!(next(&mut ticket), Poll::Ready(None));
    drop(ticket);
    assert_eq!(rig.heard(), [], "a complete call needs no cancel");
    assert_eq!(rig.desk.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_is_reported() {
    let mut rig = Rig::new();
    let ticket = rig.call(call(http::Method::GET));
    rig.reply(&ticket, "a", true);
    rig.heard();
    let request_id = ticket.id();
    drop(ticket);
    assert_eq!(rig.heard(), [DaemonMessage::RangeCancel { request_id }]);
}

#[tokio::test(start_paused = true)]
async fn a_path_is_answered_with_a_file_or_the_engines_words() {
    let rig = Rig::new();
    let mut ticket = rig.call(Question::File { path: "a".into() });
    let (file_id, status, body) = (Some(FileId::from("film")), None, None);
    rig.tell(EngineMessage::FileResolved { request_id: ticket.id(), file_id, status, body });
    assert_eq!(ticket.answer().await, Ok(Part::File(FileId::from("film"))));
    let mut ticket = rig.call(Question::File { path: "a".into() });
    let (file_id, status, body) = (None, Some(409), None);
    rig.tell(EngineMessage::FileResolved { request_id: ticket.id(), file_id, status, body });
    assert_eq!(ticket.answer().await, Ok(Part::NoFile { status: Some(409), body: None }));
}

#[tokio::test(start_paused = true)]
async fn a_silent_engine_is_waited_for_and_each_block_renews_the_wait() {
    let rig = Rig::new();
    let mut ticket = rig.call(call(http::Method::GET));
    assert_eq!(timed(ticket.answer()).await, (120, Err(Unanswered::Silence)));
    let mut ticket = rig.call(call(http::Method::GET));
    let block = EngineMessage::RangeBlock { request_id: ticket.id(), reason: None, eta_ms: None };
    tokio::time::sleep(Duration::from_secs(50)).await;
    rig.desk.handle(rig.seat.epoch - 1, block.clone()).unwrap();
    rig.tell(block);
    assert_eq!(timed(ticket.answer()).await, (120, Err(Unanswered::Silence)));
}

#[tokio::test(start_paused = true)]
async fn only_a_question_that_may_be_repeated_goes_to_the_next_engine() {
    let mut rig = Rig::new();
    let mut get = rig.call(call(http::Method::GET));
    let mut post = rig.call(call(http::Method::POST));
    let mut begun = rig.call(call(http::Method::GET));
    rig.reply(&begun, "a", true);
    assert_eq!(begun.answer().await, Ok(part("a", true)));
    rig.heard();
    rig.replace_engine();
    let asked: Vec<_> = rig.heard();
    let [DaemonMessage::HttpCall { request_id, .. }] = asked[..] else { panic!("{asked:?}") };
    assert_eq!(request_id, get.id());
    assert_eq!(post.answer().await, Err(Unanswered::NoEngine));
    assert_eq!(next(&mut begun), Poll::Ready(None), "it is truncated");
    rig.reply(&get, "b", false);
    assert_eq!(get.answer().await, Ok(part("b", false)));
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_an_engine_for_the_grace() {
    let mut rig = Rig::new();
    rig.desk.leave(rig.seat.epoch);
    let mut ticket = rig.call(call(http::Method::POST));
    assert_eq!(timed(ticket.answer()).await, (3, Err(Unanswered::NoEngine)));
    let mut ticket = rig.call(call(http::Method::POST));
    tokio::time::sleep(Duration::from_secs(2)).await;
    rig.replace_engine();
    assert!(matches!(rig.heard()[..], [_, DaemonMessage::HttpCall { .. }]), "both are asked");
    let waited = timed(ticket.answer()).await;
    assert_eq!(waited, (120, Err(Unanswered::Silence)), "the wait starts anew");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_slow_client_is_bounded() {
    let mut rig = Rig::new();
    let mut ticket = rig.call(call(http::Method::GET));
    rig.heard();
    let mib = "x".repeat(1 << 20);
    rig.reply(&ticket, &mib, true);
    rig.reply(&ticket, "b", true);
    assert_eq!(rig.heard(), [], "one part may exceed the bound");
    assert_eq!(ticket.answer().await, Ok(part(&mib, true)));
    assert_eq!(next(&mut ticket), Poll::Ready(Some(part("b", true))));
    rig.reply(&ticket, &mib, true);
    rig.reply(&ticket, "b", true);
    rig.reply(&ticket, "c", true);
    let request_id = ticket.id();
    assert_eq!(rig.heard(), [DaemonMessage::RangeCancel { request_id }]);
    assert_eq!(next(&mut ticket), Poll::Ready(Some(part(&mib, true))));
    assert_eq!(next(&mut ticket), Poll::Ready(Some(part("b", true))));
    assert_eq!(next(&mut ticket), Poll::Ready(None));
    drop(ticket);
    assert_eq!(rig.heard(), [], "the engine was told once");

    let many = rig.call(call(http::Method::GET));
    rig.heard();
    for _ in 0..256 {
        rig.reply(&many, "", true);
    }
    assert_eq!(rig.heard(), []);
    rig.reply(&many, "", true);
    assert_eq!(rig.heard().len(), 1, "parts are bounded in number, too");
}

#[tokio::test(start_paused = true)]
async fn calls_are_bounded() {
    let rig = Rig::new();
    let mut calls: Vec<_> = (0..511).map(|_| rig.call(call(http::Method::GET))).collect();
    assert!(!rig.desk.calls_are_full());
    calls.push(rig.call(call(http::Method::GET)));
    assert!(rig.desk.calls_are_full());
    assert_eq!(rig.desk.calls(), 512);
    assert_eq!(rig.desk.call(call(http::Method::GET)).err(), Some(Refusal::Busy));
    calls.pop();
    assert!(rig.desk.call(call(http::Method::GET)).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_stopping_desk_ends_all_calls() {
    let mut rig = Rig::new();
    let mut waits = rig.call(call(http::Method::GET));
    let mut complete = rig.call(call(http::Method::GET));
    rig.reply(&complete, "a", false);
    rig.heard();
    rig.desk.stop();
    let request_id = waits.id();
    assert_eq!(rig.heard(), [DaemonMessage::RangeCancel { request_id }]);
    assert_eq!(waits.answer().await, Err(Unanswered::Stopping));
    assert_eq!(complete.answer().await, Ok(part("a", false)), "it came before the end");
    rig.replace_engine();
    assert_eq!(rig.heard(), [], "the next engine is asked nothing");
    assert_eq!(rig.desk.call(call(http::Method::GET)).err(), Some(Refusal::Stopping));
}
