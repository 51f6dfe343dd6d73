//! Replies without bytes of a file: a status, headers, and a line of text.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;

use crate::control::desk::Refusal;

/// `Retry-After` when the engine names none, seconds.
pub(crate) const RETRY_AFTER: u64 = 2;

/// The content of a reply.
pub(crate) enum Content {
    Text(String),
    Stream(Body),
}

/// An error while a body is sent, for the log.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// The body of any reply.
pub(crate) type Body = BoxBody<Bytes, BoxError>;

pub(crate) type Answer = Response<Content>;

/// The reply to a viewer that is refused at once.
pub(crate) fn refused(refusal: Refusal) -> Answer {
    match refusal {
        Refusal::NoEngine => unavailable("no engine is connected", RETRY_AFTER),
        Refusal::Denied => plain(StatusCode::FORBIDDEN, "no such file, or not with this key"),
        Refusal::Unknown => plain(StatusCode::NOT_FOUND, "no such file"),
        Refusal::Busy => unavailable("too many calls", RETRY_AFTER),
        Refusal::Stopping => unavailable("the daemon is stopping", RETRY_AFTER),
    }
}

/// 503 with `Retry-After`, seconds.
pub(crate) fn unavailable(reason: &str, retry_after: u64) -> Answer {
    let mut answer = plain(StatusCode::SERVICE_UNAVAILABLE, reason);
    set(answer.headers_mut(), header::RETRY_AFTER, &retry_after.to_string());
    answer
}

/// A status with a line of text.
pub(crate) fn plain(status: StatusCode, words: &str) -> Answer {
    text(status, "text/plain; charset=utf-8", format!("{words}\n"))
}

/// A status with a short text of the given type.
pub(crate) fn text(status: StatusCode, content_type: &str, body: String) -> Answer {
    let mut answer = Response::new(Content::Text(body));
    *answer.status_mut() = status;
    set(answer.headers_mut(), header::CONTENT_TYPE, content_type);
    set(answer.headers_mut(), header::CACHE_CONTROL, "no-store");
    answer
}

/// A status with bytes. The caller adds the headers for caches.
pub(crate) fn bytes(status: StatusCode, content_type: &str, body: Vec<u8>) -> Answer {
    let length = body.len().to_string();
    let body = http_body_util::Full::new(Bytes::from(body)).map_err(|never| match never {});
    let mut answer = Response::new(Content::Stream(body.boxed()));
    *answer.status_mut() = status;
    if length != "0" {
        set(answer.headers_mut(), header::CONTENT_LENGTH, &length);
    }
    set(answer.headers_mut(), header::CONTENT_TYPE, content_type);
    answer
}

/// Sets a header whose value is visible ASCII.
pub(crate) fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    let value = HeaderValue::from_str(value).expect("every value is made of visible ASCII");
    headers.insert(name, value);
}
