//! Films in a form that browsers play, made by the user's own ffmpeg while they watch.
//!
//! Owns how many conversions run at once, and what is answered when none can. ffmpeg reads the
//! daemon's own stream address, as any other viewer does, so it gets granted bytes only. This part
//! must never know what a file is or who has it. Invariant: a conversion ends when its viewer
//! leaves.

mod child;
mod ffmpeg;
mod order;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

use crate::control::desk::{Desk, ServedFile};
use crate::http::auth::{Credential, Query};
use crate::http::serve::{Answer, Content, RETRY_AFTER, plain, refused, text, unavailable};
use child::Child;
use ffmpeg::Ffmpeg;
use order::Order;
use shared_proto::FileId;

/// Conversions at once: each can take a whole core.
const MOST: usize = 2;
/// How long a viewer waits for a place: one that seeks takes a second one until its first is free.
const PLACE_WITHIN: Duration = Duration::from_secs(5);
/// How long it is believed that ffmpeg can't be used.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// What starts ffmpeg, and knows whether there is one.
pub(crate) struct Converter {
    /// The program that the user named.
    program: Option<PathBuf>,
    /// Where the daemon serves.
    address: SocketAddr,
    places: Arc<Semaphore>,
    found: Mutex<Option<Found>>,
}

/// What came of the last search for ffmpeg, and when.
struct Found {
    at: Instant,
    ffmpeg: Result<Arc<Ffmpeg>, String>,
}

impl Converter {
    /// `program` is what the user named; without one, ffmpeg is looked for. `address` is where the
    /// daemon serves.
    pub(crate) fn new(program: Option<PathBuf>, address: SocketAddr) -> Self {
        Self { program, address, places: Arc::new(Semaphore::new(MOST)), found: Mutex::new(None) }
    }

    /// What can be done here: `{"ffmpeg": {"version", "video", "sound"}}`, or `{"problem"}` with a
    /// sentence for a person.
    pub(crate) async fn ability(&self) -> Answer {
        let body = match self.ffmpeg().await {
            Ok(ffmpeg) => {
                let (video, sound) = (ffmpeg.video.unwrap_or_default(), ffmpeg.sound);
                json!({ "ffmpeg": { "version": ffmpeg.version, "video": video, "sound": sound } })
            }
            Err(problem) => json!({ "problem": problem }),
        };
        text(StatusCode::OK, "application/json", body.to_string())
    }

    /// Answers `GET /convert/<fileId>?start=SECONDS&video=copy|h264&audio=N` with fragmented MP4.
    /// The time stamps are those of the film.
    pub(crate) async fn convert(
        &self,
        desk: Arc<Desk>,
        method: &Method,
        id: &FileId,
        query: &Query,
        credential: &Credential<'_>,
    ) -> Answer {
        let file = match desk.find(id, credential).await {
            Ok(file) => file,
            Err(refusal) => return refused(refusal),
        };
        let order = match Order::parse(query) {
            Ok(order) => order,
            Err(why) => return plain(StatusCode::BAD_REQUEST, why),
        };
        let ffmpeg = match self.ffmpeg().await {
            Ok(ffmpeg) => ffmpeg,
            Err(problem) => return plain(StatusCode::NOT_IMPLEMENTED, &problem),
        };
        if *method == Method::HEAD {
            return text(StatusCode::OK, child::CONTENT_TYPE, String::new());
        }
        let place =
            tokio::time::timeout(PLACE_WITHIN, Arc::clone(&self.places).acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            return unavailable(
                "Two films are being converted already: close one of them.",
                RETRY_AFTER,
            );
        };
        let source = self.source(&file);
        let args = match order.args(&ffmpeg, &source) {
            Ok(args) => args,
            Err(why) => return plain(StatusCode::NOT_IMPLEMENTED, why),
        };
        let begun = match Child::start(&ffmpeg.program, &args, source, place) {
            Ok(child) => child.begin(desk, file.id.clone()).await,
            Err(error) => Err(format!("ffmpeg can't be started: {error}.")),
        };
        match begun {
            Ok(body) => {
                let mut answer = text(StatusCode::OK, child::CONTENT_TYPE, String::new());
                *answer.body_mut() = Content::Stream(body);
                answer
            }
            Err(problem) => {
                tracing::warn!(file = %file.id, problem, "a conversion came to nothing");
                plain(StatusCode::BAD_GATEWAY, &problem)
            }
        }
    }

    /// The address at which ffmpeg reads the film.
    fn source(&self, file: &ServedFile) -> String {
        let key =
            percent_encoding::utf8_percent_encode(&file.key, percent_encoding::NON_ALPHANUMERIC);
        format!("http://{}/stream/{}?key={key}", self.address, file.id)
    }

    async fn ffmpeg(&self) -> Result<Arc<Ffmpeg>, String> {
        let mut found = self.found.lock().await;
        match &*found {
            Some(Found { ffmpeg: Ok(ffmpeg), .. }) => return Ok(Arc::clone(ffmpeg)),
            Some(Found { at, ffmpeg: Err(problem) }) if at.elapsed() < ASKED_AGAIN_AFTER => {
                return Err(problem.clone());
            }
            _ => {}
        }
        let outcome = Ffmpeg::find(self.program.as_deref()).await.map(Arc::new);
        if let Ok(ffmpeg) = &outcome {
            tracing::info!(
                version = ffmpeg.version,
                video = ffmpeg.video,
                sound = ffmpeg.sound,
                "ffmpeg can be used"
            );
        }
        *found = Some(Found { at: Instant::now(), ffmpeg: outcome.clone() });
        outcome
    }
}
