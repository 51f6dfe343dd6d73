//! Simulations of the HTTP API: calls in, exact replies out.

mod contract;
mod document;
mod hostile;
mod lifetime;
mod page;

use serde_json::Value;
use shared_proto::{DaemonMessage, EngineMessage, IoEvent, RequestId};

use super::world::World;
use crate::io::Input;
use crate::metainfo::testing::{Sample, torrent};

const HOST: &str = "127.0.0.1:3000";

/// A complete reply with all its parts.
#[derive(Clone, Debug, Default)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    parts: usize,
    goes_on: bool,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Returns status and code of a failure.
    fn failure(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        let body = self.json();
        assert!(body["error"].as_str().is_some_and(|error| !error.is_empty()), "{body}");
        (self.status, body["code"].as_str().expect("a failure has a code").to_owned())
    }
}

impl World {
    fn send(
        &mut self,
        method: &str,
        target: &str,
        content_type: Option<&str>,
        body: &[u8],
    ) -> RequestId {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let request_id = self.question(|request_id| DaemonMessage::HttpCall {
            request_id,
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            host: HOST.to_owned(),
            content_type: content_type.map(str::to_owned),
            content_length: body.len() as u64,
        });
        // Even a short body is sent in parts.
        for part in body.chunks(body.len() / 3 + 1) {
            let data = bytes::Bytes::copy_from_slice(part);
            self.input(Input::Io(IoEvent::HttpContent { request_id, data }));
        }
        request_id
    }

    /// Returns the parts of a reply so far.
    fn heard(&self, id: RequestId) -> Option<Answer> {
        let mut whole: Option<Answer> = None;
        for answer in &self.answers {
            let EngineMessage::HttpReply { request_id, status, headers, body, more } = answer
            else {
                continue;
            };
            if *request_id != id {
                continue;
            }
            let known = whole.get_or_insert_with(|| Answer {
                status: *status,
                headers: headers.clone(),
                goes_on: true,
                ..Answer::default()
            });
            assert!(known.goes_on, "an answer ends once");
            known.body.push_str(body);
            known.parts += 1;
            known.goes_on = *more;
        }
        whole
    }

    /// Makes a call that is answered at once.
    fn call(&mut self, method: &str, target: &str) -> Answer {
        let id = self.send(method, target, None, b"");
        self.heard(id).unwrap_or_else(|| panic!("{method} {target} is not answered"))
    }

    fn post(&mut self, content_type: &str, body: &[u8]) -> Answer {
        let id = self.send("POST", "/add", Some(content_type), body);
        self.heard(id).unwrap_or_else(|| panic!("a {content_type} is not answered"))
    }

    fn put(&mut self, target: &str, body: &[u8]) -> Answer {
        self.give("PUT", target, body)
    }

    /// Makes a call with JSON that is answered at once.
    fn give(&mut self, method: &str, target: &str, body: &[u8]) -> Answer {
        let id = self.send(method, target, Some("application/json"), body);
        self.heard(id).unwrap_or_else(|| panic!("{target} is not answered"))
    }

    fn add_file(&mut self) -> Answer {
        let torrent = self.sample.torrent.clone();
        self.post("application/x-bittorrent", &torrent)
    }

    fn resolve(&mut self, path: &str) -> (Option<String>, Option<u16>, String) {
        let id = self.question(|request_id| DaemonMessage::FileResolve {
            request_id,
            path: path.to_owned(),
        });
        let answer = self.answers.iter().find_map(|answer| match answer {
            EngineMessage::FileResolved { request_id, file_id, status, body }
                if *request_id == id =>
            {
                Some((
                    file_id.as_ref().map(ToString::to_string),
                    *status,
                    body.clone().unwrap_or_default(),
                ))
            }
            _ => None,
        });
        answer.unwrap_or_else(|| panic!("{path} is not resolved"))
    }
}

/// Returns a torrent with folders, a duplicate name, and names that URLs must encode.
fn series() -> Sample {
    torrent(
        32 << 10,
        &[
            ("S1/one two.mkv", 100_000),
            ("S1/notes.txt", 10),
            ("S2/one two.mkv", 50_000),
            ("S2/ü&#%.mp3", 70_000),
            ("7", 5),
        ],
    )
}

/// Creates a world whose engine has loaded its state.
fn world(sample: Sample) -> World {
    let mut world = World::new(sample, &[], 60);
    world.run_for(std::time::Duration::from_millis(10));
    world
}
