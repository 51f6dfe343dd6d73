//! `/convert`: replies with a film that the user's ffmpeg converts.

use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::json;
use shared_proto::FileId;

use crate::convert::{CONTENT_TYPE, Converter, Failure, Order};
use crate::http::app::App;
use crate::http::query::Query;
use crate::http::replies::{Answer, Content, RETRY_AFTER, plain, refused, text, unavailable};
use crate::policy::secrets::Credential;

/// Answers `GET /convert`: `{"ffmpeg": {"version", "video", "sound"}}`, or `{"problem"}` with a
/// sentence for a person.
pub(crate) async fn ability(converter: &Converter) -> Answer {
    let body = match converter.ffmpeg().await {
        Ok(ffmpeg) => {
            let (video, sound) = (ffmpeg.video.unwrap_or_default(), ffmpeg.sound);
            json!({ "ffmpeg": { "version": ffmpeg.version, "video": video, "sound": sound } })
        }
        Err(problem) => json!({ "problem": problem }),
    };
    text(StatusCode::OK, "application/json", body.to_string())
}

/// Answers `GET /convert/<fileId>?start=SECONDS&video=copy|h264&audio=N` with fragmented MP4.
pub(crate) async fn convert(
    app: &App,
    method: &Method,
    id: &FileId,
    query: &Query,
    credential: &Credential<'_>,
) -> Answer {
    let file = match app.desk.find(id, credential).await {
        Ok(file) => file,
        Err(refusal) => return refused(refusal),
    };
    let order = match Order::parse(|name| query.value(name)) {
        Ok(order) => order,
        Err(why) => return plain(StatusCode::BAD_REQUEST, why),
    };
    let ffmpeg = match app.converter.ffmpeg().await {
        Ok(ffmpeg) => ffmpeg,
        Err(problem) => return plain(StatusCode::NOT_IMPLEMENTED, &problem),
    };
    if *method == Method::HEAD {
        return text(StatusCode::OK, CONTENT_TYPE, String::new());
    }
    match app.converter.start(Arc::clone(&app.desk), &file, &order, &ffmpeg).await {
        Ok(body) => {
            let mut answer = text(StatusCode::OK, CONTENT_TYPE, String::new());
            *answer.body_mut() = Content::Stream(body);
            answer
        }
        Err(Failure::Busy) => {
            unavailable("Two films are being converted already: close one of them.", RETRY_AFTER)
        }
        Err(Failure::Unable(why)) => plain(StatusCode::NOT_IMPLEMENTED, why),
        Err(Failure::Ended(problem)) => {
            tracing::warn!(file = %file.id, problem, "a conversion failed");
            plain(StatusCode::BAD_GATEWAY, &problem)
        }
    }
}
