//! Calls of the HTTP API, which the engine answers.

mod access;
mod answers;
mod contents;
mod paths;

use shared_proto::frame::BATCH_TARGET;
use shared_proto::{DaemonMessage, EngineMessage, FileId, IoCommand, IoEvent, RequestId};

use crate::rig::{Brain, QUIET, Reply, Rig, Viewer, soon};

const TOKEN: &str = "a-token-of-the-test";

/// A daemon whose token fits a line, and its engine.
async fn rig() -> (Rig, Brain) {
    rig_with(400, 120_000).await
}

async fn rig_with(grace_ms: u64, max_wait_ms: u64) -> (Rig, Brain) {
    let rig = Rig::start_with(|settings| {
        settings.token = Some(TOKEN.parse().unwrap());
        (settings.grace_ms, settings.max_wait_ms) = (Some(grace_ms), Some(max_wait_ms));
    })
    .await;
    let brain = rig.brain().await;
    (rig, brain)
}

const BEARER: (&str, &str) = ("Authorization", "Bearer a-token-of-the-test");

async fn call(rig: &Rig, method: &str, target: &str) -> Viewer {
    rig.send(method, target, &[BEARER]).await
}

async fn post(rig: &Rig, body: &[u8], headers: &[(&str, &str)]) -> Viewer {
    let length = body.len().to_string();
    let headers = [&[BEARER, ("Content-Length", length.as_str())], headers].concat();
    let mut viewer = rig.send("POST", "/add", &headers).await;
    viewer.send(body).await;
    viewer
}

impl Brain {
    /// The next call, whole.
    async fn called(&mut self) -> (RequestId, DaemonMessage) {
        soon(self.next(|message| match message {
            DaemonMessage::HttpCall { request_id, .. }
            | DaemonMessage::FileResolve { request_id, .. } => Some((*request_id, message.clone())),
            _ => None,
        }))
        .await
    }

    async fn reply(&mut self, request_id: RequestId, status: u16, body: &str, more: bool) {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        self.tell(EngineMessage::HttpReply {
            request_id,
            status,
            headers,
            body: body.into(),
            more,
        })
        .await;
    }

    /// The content of a call, in whatever parts it comes.
    async fn content(&mut self, call: RequestId, length: usize) -> Vec<u8> {
        let mut content = Vec::new();
        while content.len() < length {
            let taken = soon(self.io_frame()).await;
            for event in self.events.drain(..) {
                if let IoEvent::HttpContent { request_id, data } = event {
                    assert!(request_id == call && data.len() <= BATCH_TARGET);
                    content.extend_from_slice(&data);
                }
            }
            self.order(&[IoCommand::Credit { bytes: u32::try_from(taken).unwrap() }]).await;
        }
        content
    }

    async fn hears_no_call(&mut self) {
        let call = self.next(|message| {
            matches!(message, DaemonMessage::HttpCall { .. } | DaemonMessage::FileResolve { .. })
                .then_some(())
        });
        assert!(
            tokio::time::timeout(QUIET, call).await.is_err(),
            "a call came: {:?}",
            self.heard.last()
        );
    }
}

#[track_caller]
fn check_failure(reply: &Reply, status: u16, code: &str) {
    let body: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!((reply.status, body["code"].as_str()), (status, Some(code)), "{body}");
    assert!(body["error"].as_str().is_some_and(|words| !words.is_empty()));
}

const BY_NAME: &str = "/stream/0123abcd/Big%20Film%2Fpart.mp4";

async fn resolved(
    brain: &mut Brain,
    to: Option<&str>,
    status: Option<u16>,
    body: Option<&str>,
) -> String {
    let (request_id, asked) = brain.called().await;
    let DaemonMessage::FileResolve { path, .. } = asked else { panic!("{asked:?}") };
    let (file_id, body) = (to.map(FileId::from), body.map(str::to_owned));
    brain.tell(EngineMessage::FileResolved { request_id, file_id, status, body }).await;
    path
}
