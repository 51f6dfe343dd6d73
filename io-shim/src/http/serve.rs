//! One request for a file, from its headers to a reply (DESIGN: RFC 9110, as nginx does it).
//!
//! Owns which status and which headers a request gets, and the order of the decisions: file,
//! preconditions, range, place, grant. Must never send a byte of the file itself: that is
//! [`crate::http::stream`]'s.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;

use crate::control::desk::{Desk, End, Lease, Patience, Refusal, ServedFile};
use crate::files::FileStore;
use crate::http::auth::{Credential, Query};
use crate::http::conditions::{self, Precondition};
use crate::http::connections::Activity;
use crate::http::multipart::Multipart;
use crate::http::opener::Opener;
use crate::http::ranges::{self, Asked, ByteRange};
use crate::http::source::{Source, Unread};
use crate::http::stream::{CHUNK, Chunk, Part, Reply};
use crate::metrics::{Metrics, add};
use shared_proto::FileId;

/// Bounds of `?part=`, bytes: below, headers would outweigh the payload; above, it is no part any
/// more.
const PART_MIN: u64 = 16 << 10;
const PART_MAX: u64 = 64 << 20;
/// `Retry-After` where the engine names none, seconds.
pub(crate) const RETRY_AFTER: u64 = 2;

/// How often a request is begun anew because the file changed before a byte of it was sent.
const ATTEMPTS: usize = 3;

/// The file changed before anything was sent: the request is to be answered as if it came now.
struct Again;

/// What a request for a file needs to be answered.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) desk: Arc<Desk>,
    pub(crate) files: Arc<FileStore>,
    pub(crate) metrics: Arc<Metrics>,
    /// The connection that it came over.
    pub(crate) activity: Option<Arc<Activity>>,
}

/// A body that is there already, or one that the engine's grants feed.
pub(crate) enum Content {
    Text(String),
    Stream(Body),
}

/// What can go wrong with a body, for the log.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// The body of any reply.
pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;

pub(crate) type Answer = Response<Content>;

/// What the headers of a request select of a file.
enum Selected {
    /// 200 with everything.
    Whole,
    /// 206 with one range.
    One(ByteRange),
    /// 206 with several.
    Many(Vec<ByteRange>),
    /// No part of the file: the answer is a status.
    Nothing(StatusCode),
}

impl Server {
    /// Answers `GET` and `HEAD` of `/stream/<fileId>`.
    pub(crate) async fn stream(
        &self,
        method: &Method,
        id: &FileId,
        headers: &HeaderMap,
        query: &Query,
        credential: &Credential<'_>,
    ) -> Answer {
        let patience =
            if query.value("wait") == Some("0") { Patience::None } else { Patience::Some };
        for _ in 0..ATTEMPTS {
            let file = match self.desk.find(id, credential).await {
                Ok(file) => file,
                Err(refusal) => return refused(refusal),
            };
            let selected = select(&file, headers, query).for_patience(patience, file.length);
            match selected {
                Selected::Nothing(status) => return nothing(&file, status),
                _ if *method == Method::HEAD || file.length == 0 => return head(&file, &selected),
                _ => {
                    if let Ok(answer) = self.reply(file, selected, patience).await {
                        return answer;
                    }
                }
            }
        }
        unavailable("the file keeps changing", RETRY_AFTER)
    }

    async fn reply(
        &self,
        file: Arc<ServedFile>,
        selected: Selected,
        patience: Patience,
    ) -> Result<Answer, Again> {
        let slot = match self.desk.admit(&file.id, self.activity.clone()) {
            Ok(slot) => slot,
            Err(refusal) => return Ok(refused(refusal)),
        };
        let (mut parts, tail, mut answer) = lay_out(&file, &selected);
        let Some(first) = parts.pop_front() else {
            return Ok(nothing(&file, StatusCode::INTERNAL_SERVER_ERROR));
        };
        let opener = Opener { desk: Arc::clone(&self.desk), files: Arc::clone(&self.files) };
        // Before the engine is asked: what it grants it grants knowing what lies there.
        let looked = opener.look(&file).await;
        let mut ticket = self.desk.ask(Arc::clone(&file), first.range, patience, &slot);
        tracing::debug!(request = %ticket.id(), file = %file.id, range = ?first.range, "asked");
        if let Err(end) = ticket.begin().await {
            tracing::debug!(request = %ticket.id(), ?end, "refused");
            return if matches!(end, End::Changed | End::Revoked) {
                Err(Again)
            } else {
                Ok(ended(&file, end))
            };
        }
        if patience == Patience::None {
            if !ticket.narrow() {
                return Err(Again);
            }
            (_, _, answer) = lay_out(&file, &Selected::One(ticket.range()));
        }
        let start = first.range.start;
        let wanted =
            if first.head.is_empty() { ticket.granted().min(start + CHUNK as u64) } else { start };
        let lease = if wanted > start { ticket.lease(wanted) } else { None };
        let count =
            if lease.is_some() { usize::try_from(wanted - start).unwrap_or(CHUNK) } else { 0 };
        let opened = match looked.filter(Source::is_watched) {
            Some(mut source) if count > 0 => {
                let read = source.read(start, count).await;
                Ok((source, read))
            }
            Some(source) => Ok((source, Ok(Bytes::new()))),
            None => opener.open_and_read(&file, start, count).await,
        };
        let Ok((source, read)) = opened else {
            return Ok(unavailable("the file cannot be opened", RETRY_AFTER));
        };
        let is_cut = lease.as_ref().is_some_and(Lease::is_cut);
        let ahead = match read {
            Err(Unread::Changed) => {
                opener.report(&file, false).await;
                return Err(Again);
            }
            _ if is_cut => return Err(Again),
            Ok(bytes) if !bytes.is_empty() => {
                add(&self.metrics.read_bytes, bytes.len());
                Some(Chunk { bytes, lease })
            }
            // What goes wrong is found again when these bytes are read in their turn.
            Ok(_) | Err(_) => None,
        };
        let reply = Reply {
            desk: Arc::clone(&self.desk),
            metrics: Arc::clone(&self.metrics),
            slot,
            served: file,
            source,
            opener,
            ticket,
            first_head: first.head,
            ahead,
            rest: parts,
            tail,
            length: answer.length,
        };
        Ok(answer.with(Content::Stream(reply.start().map_err(Into::into).boxed_unsync())))
    }
}

impl Selected {
    /// A client that does not wait gets one range, as long as what is there: an answer with status
    /// 200 would have to be the whole file.
    fn for_patience(self, patience: Patience, length: u64) -> Self {
        match (patience, self) {
            (Patience::None, Self::Many(ranges)) if !ranges.is_empty() => Self::One(ranges[0]),
            (Patience::None, Self::Whole) => {
                ByteRange::whole(length).map_or(Self::Whole, Self::One)
            }
            (_, selected) => selected,
        }
    }
}

fn select(file: &ServedFile, headers: &HeaderMap, query: &Query) -> Selected {
    match conditions::evaluate(headers, &file.etag) {
        Precondition::Holds => {}
        Precondition::NotModified => return Selected::Nothing(StatusCode::NOT_MODIFIED),
        Precondition::Failed => return Selected::Nothing(StatusCode::PRECONDITION_FAILED),
    }
    if !conditions::range_holds(headers, &file.etag) {
        return Selected::Whole;
    }
    let part = query
        .value("part")
        .and_then(|part| part.parse::<u64>().ok())
        .map(|part| part.clamp(PART_MIN, PART_MAX));
    let asked = headers
        .get(header::RANGE)
        .map_or(Asked::Whole, |value| ranges::parse(value.as_bytes(), file.length));
    match (asked, part, ByteRange::whole(file.length)) {
        (Asked::Unsatisfiable, ..) => Selected::Nothing(StatusCode::RANGE_NOT_SATISFIABLE),
        (Asked::Many(ranges), ..) => Selected::Many(ranges),
        (Asked::One(range), None, _) => Selected::One(range),
        (Asked::One(range), Some(part), _) | (Asked::Whole, Some(part), Some(range)) => {
            Selected::One(range.first(part))
        }
        (Asked::Whole, ..) => Selected::Whole,
    }
}

/// Status and headers of a reply with content, before its body.
struct Outline {
    status: StatusCode,
    headers: HeaderMap,
    length: u64,
}

impl Outline {
    fn with(self, content: Content) -> Answer {
        let mut answer = Response::new(content);
        *answer.status_mut() = self.status;
        *answer.headers_mut() = self.headers;
        answer
    }
}

/// The ranges to send, what follows the last, and the reply's outline.
fn lay_out(file: &ServedFile, selected: &Selected) -> (VecDeque<Part>, Bytes, Outline) {
    let mut headers = common_headers(file);
    let mut status = StatusCode::PARTIAL_CONTENT;
    let single = |range: ByteRange| VecDeque::from([Part { head: Bytes::new(), range }]);
    let (parts, tail, length) = match selected {
        Selected::Many(ranges) => {
            // Random, so that no file can contain it by intent; twenty digits, as nginx does it.
            let boundary = format!("{:020}", uuid::Uuid::new_v4().as_u64_pair().0);
            let multipart = Multipart::new(ranges, file.length, &content_type(file), boundary);
            set(&mut headers, header::CONTENT_TYPE, &multipart.content_type());
            let parts = ranges
                .iter()
                .zip(multipart.heads())
                .map(|(&range, head)| Part { head: head.clone(), range });
            (parts.collect(), multipart.tail(), multipart.content_length())
        }
        Selected::One(range) => {
            let ByteRange { start, end } = range;
            set(
                &mut headers,
                header::CONTENT_RANGE,
                &format!("bytes {start}-{end}/{}", file.length),
            );
            (single(*range), Bytes::new(), range.count())
        }
        Selected::Whole | Selected::Nothing(_) => {
            status = StatusCode::OK;
            (
                ByteRange::whole(file.length).map(single).unwrap_or_default(),
                Bytes::new(),
                file.length,
            )
        }
    };
    set(&mut headers, header::CONTENT_LENGTH, &length.to_string());
    (parts, tail, Outline { status, headers, length })
}

/// A reply without content, but with the headers of one: `HEAD`, or an empty file.
fn head(file: &ServedFile, selected: &Selected) -> Answer {
    let (_, _, outline) = lay_out(file, selected);
    outline.with(Content::Text(String::new()))
}

/// A reply that sends nothing of the file.
fn nothing(file: &ServedFile, status: StatusCode) -> Answer {
    let mut answer = if status == StatusCode::NOT_MODIFIED {
        let mut answer = Response::new(Content::Text(String::new()));
        *answer.status_mut() = status;
        answer
    } else {
        plain(status, status.canonical_reason().unwrap_or_default())
    };
    let headers = answer.headers_mut();
    set(headers, header::ETAG, &conditions::quoted(&file.etag));
    set(headers, header::ACCEPT_RANGES, "bytes");
    if status == StatusCode::RANGE_NOT_SATISFIABLE {
        set(headers, header::CONTENT_RANGE, &format!("bytes */{}", file.length));
    }
    answer
}

fn common_headers(file: &ServedFile) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let content_type = content_type(file);
    set(&mut headers, header::CONTENT_TYPE, &content_type);
    set(&mut headers, header::ACCEPT_RANGES, "bytes");
    set(&mut headers, header::ETAG, &conditions::quoted(&file.etag));
    // Chrome would write the whole film to its cache on disk, next to the film.
    set(&mut headers, header::CACHE_CONTROL, "no-store");
    // A stranger wrote this file: whatever it is, it never runs as a page of this origin.
    set(
        &mut headers,
        header::CONTENT_SECURITY_POLICY,
        "sandbox; default-src 'none'; media-src 'self'; img-src 'self'; style-src 'unsafe-inline'",
    );
    if !is_media(&content_type) {
        set(
            &mut headers,
            header::CONTENT_DISPOSITION,
            &attachment(file.path.last().map_or("", String::as_str)),
        );
    }
    headers
}

/// The announced type, or bytes if it is not one that a header can carry.
fn content_type(file: &ServedFile) -> String {
    let plain = file.content_type.bytes().all(|b| (b' '..=b'~').contains(&b))
        && file.content_type.len() <= 256;
    if plain && file.content_type.contains('/') {
        file.content_type.clone()
    } else {
        "application/octet-stream".into()
    }
}

/// What a browser shows without running anything in it.
fn is_media(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let kind = essence.split('/').next().unwrap_or_default();
    matches!(kind, "video" | "audio" | "image") && essence != "image/svg+xml"
}

fn attachment(name: &str) -> String {
    let encoded: String =
        percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).collect();
    format!("attachment; filename*=UTF-8''{encoded}")
}

/// The answer to a viewer that costs nothing yet.
pub(crate) fn refused(refusal: Refusal) -> Answer {
    match refusal {
        Refusal::NoEngine => unavailable("no engine is connected", RETRY_AFTER),
        Refusal::Denied => plain(StatusCode::FORBIDDEN, "no such file, or not with this key"),
        Refusal::Unknown => plain(StatusCode::NOT_FOUND, "no such file"),
        Refusal::Busy => unavailable("too many calls", RETRY_AFTER),
        Refusal::Stopping => unavailable("the daemon is stopping", RETRY_AFTER),
    }
}

/// The answer to a viewer whose first byte never came.
fn ended(file: &ServedFile, end: End) -> Answer {
    match end {
        End::Rejected { status, reason, retry_after } => {
            rejected(file, status, reason.as_deref(), retry_after)
        }
        End::NotNow => plain(StatusCode::CONFLICT, "these bytes are not here yet"),
        End::Busy => unavailable("too many viewers", RETRY_AFTER),
        End::Forgotten => plain(StatusCode::NOT_FOUND, "the file was removed"),
        End::Changed | End::Revoked => unavailable("the file has changed", RETRY_AFTER),
        End::EngineGone => unavailable("the engine is gone", RETRY_AFTER),
        End::Stopping => unavailable("the daemon is stopping", RETRY_AFTER),
        End::Silence => plain(StatusCode::GATEWAY_TIMEOUT, "the engine did not answer in time"),
    }
}

fn rejected(
    file: &ServedFile,
    status: Option<u16>,
    reason: Option<&str>,
    retry_after: Option<u64>,
) -> Answer {
    // A range outside the file is refused before the engine is asked, so what is left without a
    // status is "not now".
    let status = status
        .and_then(|status| StatusCode::from_u16(status).ok())
        .filter(|status| status.as_u16() >= 400);
    let status = status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let mut answer = plain(status, reason.unwrap_or("not available"));
    if status == StatusCode::RANGE_NOT_SATISFIABLE {
        set(answer.headers_mut(), header::CONTENT_RANGE, &format!("bytes */{}", file.length));
    }
    let wait = retry_after.or((status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER));
    if let Some(wait) = wait {
        set(answer.headers_mut(), header::RETRY_AFTER, &wait.to_string());
    }
    answer
}

/// 503, and when to come back, seconds.
pub(crate) fn unavailable(reason: &str, retry_after: u64) -> Answer {
    let mut answer = plain(StatusCode::SERVICE_UNAVAILABLE, reason);
    set(answer.headers_mut(), header::RETRY_AFTER, &retry_after.to_string());
    answer
}

/// A status with a line of words.
pub(crate) fn plain(status: StatusCode, words: &str) -> Answer {
    text(status, "text/plain; charset=utf-8", format!("{words}\n"))
}

/// A status with a short text.
pub(crate) fn text(status: StatusCode, content_type: &str, body: String) -> Answer {
    let mut answer = Response::new(Content::Text(body));
    *answer.status_mut() = status;
    set(answer.headers_mut(), header::CONTENT_TYPE, content_type);
    set(answer.headers_mut(), header::CACHE_CONTROL, "no-store");
    answer
}

/// An answer with these bytes, which a cache may keep as its headers say.
pub(crate) fn bytes(status: StatusCode, content_type: &str, body: Vec<u8>) -> Answer {
    let body = http_body_util::Full::new(Bytes::from(body)).map_err(|never| match never {});
    let mut answer = Response::new(Content::Stream(body.boxed_unsync()));
    *answer.status_mut() = status;
    set(answer.headers_mut(), header::CONTENT_TYPE, content_type);
    answer
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    let value = HeaderValue::from_str(value).expect("every value is made of visible ASCII");
    headers.insert(name, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_runs_nothing_is_shown_in_the_browser() {
        for media in ["video/mp4", "audio/mpeg", "image/png", "VIDEO/webm; codecs=vp9"] {
            assert!(is_media(media), "{media}");
        }
        for other in [
            "text/html",
            "image/svg+xml",
            "IMAGE/SVG+XML; charset=utf-8",
            "application/javascript",
            "text/plain",
            "",
        ] {
            assert!(!is_media(other), "{other}");
        }
    }

    #[test]
    fn any_file_name_fits_the_header() {
        assert_eq!(
            attachment("a \"b\"\r\nSet-Cookie: x.htm"),
            "attachment; filename*=UTF-8''a%20%22b%22%0D%0ASet%2DCookie%3A%20x%2Ehtm"
        );
        assert_eq!(attachment("日本"), "attachment; filename*=UTF-8''%E6%97%A5%E6%9C%AC");
    }
}
