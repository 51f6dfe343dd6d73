//! Calls of the HTTP API: every path that is not the daemon's own.
//!
//! Owns the checks before a call, the reading of its content, and the headers of its reply. The
//! engine answers. Must never know what a path means. Invariants: the daemon checks origin, site
//! and token, for any method, before the engine gets the call and before the content is read; the
//! content of one call is bounded here, that of all calls by [`crate::http::uploads`].

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Response, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt;
use shared_proto::FileId;
use shared_proto::frame::MAX_CONTENT;

use crate::control::desk::Activity;
use crate::control::desk::{CallTicket, Part, Question, Refusal, Unanswered};
use crate::http::app::App;
use crate::http::auth::AccessError;
use crate::http::query::{self, Query};
use crate::http::replies::{Answer, BoxError, Content, refused, text};
use crate::http::uploads::{NoRoom, Upload};
use crate::policy::secrets::Credential;

/// How long the content of a call may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(60);
/// `Retry-After` of a temporary refusal, seconds.
const RETRY_AFTER: &str = "2";

/// Headers that the engine may set. All others are the daemon's.
const ALLOWED_HEADERS: [HeaderName; 7] = [
    header::CONTENT_TYPE,
    header::CACHE_CONTROL,
    header::LOCATION,
    header::ALLOW,
    header::CONTENT_DISPOSITION,
    header::RETRY_AFTER,
    header::CONTENT_SECURITY_POLICY,
];
/// The default policy of a page. It may talk to this daemon only, and must not be framed.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self' 'unsafe-inline'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data:; media-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// The default policy of anything else that a browser opens.
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";

/// A request before its content is read.
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    /// The connection of the request.
    pub(crate) activity: Option<Arc<Activity>>,
}

/// Why the engine does not answer a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    AccessError(#[from] AccessError),
    #[error("this needs the session token: Authorization: Bearer, or token= in the query")]
    Token,
    #[error("this method is not answered here")]
    Method,
    #[error("a body may have at most 55 MiB")]
    TooLarge,
    #[error("the body took too long, or stalled while others waited")]
    SlowBody,
    #[error("the body ended early")]
    BrokenBody,
    #[error("too many calls are under way")]
    Busy,
    #[error("no engine is connected")]
    NoEngine,
    #[error("the daemon is stopping")]
    Stopping,
    #[error("the engine did not answer in time")]
    Silence,
    #[error("the engine's answer is malformed")]
    Nonsense,
    #[error("no such file")]
    NoFile,
}

impl Failure {
    fn status(self) -> StatusCode {
        match self {
            Self::AccessError(AccessError::Host) => StatusCode::MISDIRECTED_REQUEST,
            Self::AccessError(AccessError::Malformed) | Self::BrokenBody => StatusCode::BAD_REQUEST,
            Self::AccessError(AccessError::Origin | AccessError::Site) => StatusCode::FORBIDDEN,
            Self::Token => StatusCode::UNAUTHORIZED,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::Busy | Self::NoEngine | Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            Self::Silence => StatusCode::GATEWAY_TIMEOUT,
            Self::Nonsense => StatusCode::BAD_GATEWAY,
            Self::NoFile => StatusCode::NOT_FOUND,
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::AccessError(_) => "forbidden",
            Self::Token => "token",
            Self::Method => "method",
            Self::TooLarge => "too_large",
            Self::SlowBody | Self::BrokenBody => "body",
            Self::Busy => "busy",
            Self::NoEngine => "no_engine",
            Self::Stopping => "stopping",
            Self::Silence => "timeout",
            Self::Nonsense => "bad_reply",
            Self::NoFile => "not_found",
        }
    }

    /// The reply to the client.
    pub(crate) fn answer(self) -> Answer {
        let body =
            serde_json::json!({ "error": self.to_string(), "code": self.code() }).to_string();
        let mut answer = text(self.status(), "application/json", body);
        let headers = answer.headers_mut();
        if self.status() == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        if self == Self::Token {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        answer
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Busy => Self::Busy,
            Refusal::Stopping => Self::Stopping,
            Refusal::NoEngine => Self::NoEngine,
            Refusal::Denied | Refusal::Unknown => Self::NoFile,
        }
    }
}

impl From<Unanswered> for Failure {
    fn from(why: Unanswered) -> Self {
        match why {
            Unanswered::NoEngine => Self::NoEngine,
            Unanswered::Silence => Self::Silence,
            Unanswered::Stopping => Self::Stopping,
        }
    }
}

/// Whether the daemon answers this path itself.
pub(crate) fn is_own(path: &str) -> bool {
    matches!(
        path.trim_end_matches('/'),
        "/health" | "/metrics" | "/control" | "/stream" | "/convert"
    ) || path.starts_with("/stream/")
        || path.starts_with("/convert/")
        || path.starts_with("/page/")
}

/// Answers a call of the HTTP API.
pub(crate) async fn call<B: Buf, E>(
    app: &App,
    request: Request<'_>,
    body: impl Stream<Item = Result<B, E>>,
) -> Answer {
    tokio::pin!(body);
    match exchange(app, request, body).await {
        Ok(answer) => answer,
        Err(failure) => failure.answer(),
    }
}

async fn exchange<B: Buf, E>(
    app: &App,
    request: Request<'_>,
    body: Pin<&mut impl Stream<Item = Result<B, E>>>,
) -> Result<Answer, Failure> {
    let Request { method, path, query, headers, activity } = request;
    app.guard.check_call(&method, path, headers)?;
    if !app.guard.allows_call(&app.guard.credential(headers, &Query::parse(query))) {
        return Err(Failure::Token);
    }
    if !matches!(method.as_str(), "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS")
    {
        return Err(Failure::Method);
    }
    if app.desk.calls_are_full() {
        return Err(Failure::Busy);
    }
    // Its memory is free again when the engine has answered.
    let mut upload = app.uploads.begin();
    let receiving = activity.as_ref().map(Activity::receive);
    let ended = upload.ended();
    tokio::select! {
        read = tokio::time::timeout(BODY_WITHIN, read_body(&mut upload, headers, body)) => {
            read.map_err(|_| Failure::SlowBody)??;
        }
        () = ended => return Err(Failure::SlowBody),
    }
    drop(receiving);
    let named = |name: HeaderName| {
        headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let question = Question::Http {
        method: method.clone(),
        path: path.to_owned(),
        query: query::without_token(query),
        host: named(header::HOST).unwrap_or_default(),
        content_type: named(header::CONTENT_TYPE),
        content: upload.complete(),
    };
    let mut ticket = app.desk.call(question)?;
    tracing::debug!(request = %ticket.id(), %method, "called");
    match ticket.answer().await? {
        Part::Reply { status, headers, body, more } => {
            reply(&method, ticket, status, headers, body, more)
        }
        Part::File(_) | Part::NoFile { .. } => Err(Failure::Nonsense),
    }
}

/// Reads the content into the upload.
async fn read_body<B: Buf, E>(
    upload: &mut Upload,
    headers: &HeaderMap,
    mut body: Pin<&mut impl Stream<Item = Result<B, E>>>,
) -> Result<(), Failure> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > MAX_CONTENT as u64) {
        return Err(Failure::TooLarge);
    }
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| Failure::BrokenBody)?;
        if upload.length() + chunk.remaining() > MAX_CONTENT {
            return Err(Failure::TooLarge);
        }
        upload.push(chunk).await.map_err(|NoRoom| Failure::Busy)?;
    }
    Ok(())
}

/// Why a client may get a file that it names by a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It has the session token.
    Token,
    /// The daemon needs no token.
    Open,
    /// It has the key of some file, perhaps of this one.
    Key,
}

/// Why this client may name a file by a path.
///
/// # Errors
/// [`Failure`] if it may not.
pub(crate) fn admission(
    app: &App,
    request: &Request<'_>,
    credential: &Credential<'_>,
) -> Result<Admission, Failure> {
    // With the token or the file's key, any page may embed the film; without them, none.
    if credential.is_session {
        return Ok(Admission::Token);
    }
    let known = app.guard.check_call(&request.method, request.path, request.headers);
    match known {
        Ok(()) if app.guard.allows_call(credential) => Ok(Admission::Open),
        _ if credential.key.is_some() => Ok(Admission::Key),
        Ok(()) => Err(Failure::Token),
        Err(error) => Err(error.into()),
    }
}

/// Asks the engine which file a path below `/stream/` names.
///
/// # Errors The reply, when there is no such file or the client may not have it. A client with only
/// a key gets the same reply in both cases, so that guessing reveals no names.
pub(crate) async fn resolve(app: &App, path: &str, admission: Admission) -> Result<FileId, Answer> {
    let question = Question::File { path: path.to_owned() };
    let mut ticket = app.desk.call(question).map_err(|refusal| Failure::from(refusal).answer())?;
    match ticket.answer().await.map_err(|why| Failure::from(why).answer())? {
        Part::File(id) => Ok(id),
        Part::NoFile { .. } if admission == Admission::Key => Err(refused(Refusal::Denied)),
        Part::NoFile { status, body } => Err(no_file(status, body)),
        Part::Reply { .. } => Err(Failure::Nonsense.answer()),
    }
}

fn no_file(status: Option<u16>, body: Option<String>) -> Answer {
    let status = status
        .and_then(|status| StatusCode::from_u16(status).ok())
        .filter(|status| status.as_u16() >= 400);
    let Some(body) = body else {
        let mut answer = Failure::NoFile.answer();
        *answer.status_mut() = status.unwrap_or(StatusCode::NOT_FOUND);
        return answer;
    };
    text(status.unwrap_or(StatusCode::NOT_FOUND), "application/json", body)
}

/// The engine's answer as a reply.
fn reply(
    method: &Method,
    ticket: CallTicket,
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    more: bool,
) -> Result<Answer, Failure> {
    let status =
        StatusCode::from_u16(status).ok().filter(|status| (200..600).contains(&status.as_u16()));
    let status = status.ok_or(Failure::Nonsense)?;
    let content = match more {
        false => Content::Text(body),
        // The headers suffice. The ticket is dropped, which ends the call.
        true if *method == Method::HEAD => Content::Text(String::new()),
        true => {
            let body = LiveBody { first: Bytes::from(body), ticket, is_whole: false };
            Content::Stream(body.boxed())
        }
    };
    let mut answer = Response::new(content);
    *answer.status_mut() = status;
    *answer.headers_mut() = reply_headers(headers);
    Ok(answer)
}

/// The engine's allowed headers, and the daemon's own.
fn reply_headers(given: Vec<(String, String)>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let name = HeaderName::try_from(name).ok().filter(|name| ALLOWED_HEADERS.contains(name));
        if let (Some(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    let mut default = |name, value| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    default(header::CONTENT_TYPE, "text/plain; charset=utf-8");
    default(header::CACHE_CONTROL, "no-store");
    let is_page =
        headers[header::CONTENT_TYPE].as_bytes().to_ascii_lowercase().starts_with(b"text/html");
    let policy = HeaderValue::from_static(if is_page { PAGE_POLICY } else { DATA_POLICY });
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(policy);
    headers
}

/// A body that arrives in parts. It ends without an error only after the engine's last part.
struct LiveBody {
    first: Bytes,
    ticket: CallTicket,
    is_whole: bool,
}

impl http_body::Body for LiveBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            if !self.first.is_empty() {
                let first = std::mem::take(&mut self.first);
                return Poll::Ready(Some(Ok(Frame::data(first))));
            }
            if self.is_whole {
                return Poll::Ready(None);
            }
            match std::task::ready!(self.ticket.poll_part(cx)) {
                Some(Part::Reply { body, more, .. }) => {
                    self.first = Bytes::from(body);
                    self.is_whole = !more;
                }
                _ => return Poll::Ready(Some(Err("the rest of the reply will not come".into()))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: &[(&str, &str)], name: &str, expected: Option<&str>) {
        let given =
            given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let headers = reply_headers(given);
        assert_eq!(headers.get(name).map(|value| value.to_str().unwrap()), expected, "{name}");
    }

    #[test]
    fn an_engine_sets_the_allowed_headers_and_no_others() {
        check(&[("Content-Type", "application/json")], "content-type", Some("application/json"));
        check(&[("LOCATION", "/things")], "location", Some("/things"));
        check(&[("Set-Cookie", "a=b")], "set-cookie", None);
        check(&[("Access-Control-Allow-Origin", "*")], "access-control-allow-origin", None);
        check(&[("Content-Length", "7")], "content-length", None);
        check(&[("Transfer-Encoding", "chunked")], "transfer-encoding", None);
        check(&[("location", "/a\r\nSet-Cookie: b")], "location", None);
        check(&[("bad name", "x")], "bad name", None);
    }

    #[test]
    fn what_an_engine_leaves_out_is_put_in() {
        check(&[], "cache-control", Some("no-store"));
        check(&[("cache-control", "max-age=5")], "cache-control", Some("max-age=5"));
        check(&[], "content-security-policy", Some(DATA_POLICY));
        check(
            &[("content-type", "Text/HTML; charset=utf-8")],
            "content-security-policy",
            Some(PAGE_POLICY),
        );
        let own =
            [("content-type", "text/html"), ("content-security-policy", "default-src 'self'")];
        check(&own, "content-security-policy", Some("default-src 'self'"));
    }

    #[test]
    fn the_daemons_own_paths_are_never_put_to_the_engine() {
        for own in [
            "/health",
            "/health/",
            "/metrics",
            "/control",
            "/stream/film",
            "/stream/a/b",
            "/stream/",
            "/stream",
            "/convert",
            "/convert/film",
        ] {
            assert!(is_own(own), "{own}");
        }
        for other in ["/", "/add/x", "/healthy", "/health/x", "/streams/x", "/things"] {
            assert!(!is_own(other), "{other}");
        }
    }
}
