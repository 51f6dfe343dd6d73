//! One request for a file, from headers to reply (RFC 9110, as nginx answers).
//!
//! Owns the status and headers of the reply, and the order of the decisions: file, preconditions,
//! range, permit, grant. Must never send a byte of the file: [`crate::http::stream`] does.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use http::header;
use http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::BodyExt;
use shared_proto::FileId;

use crate::control::desk::Activity;
use crate::control::desk::{Desk, End, Lease, Patience, ServedFile};
use crate::files::FileStore;
use crate::files::byte_range::ByteRange;
use crate::http::conditions::{self, Precondition};
use crate::http::multipart::Multipart;
use crate::http::opener::Opener;
use crate::http::query::Query;
use crate::http::ranges::{self, Asked};
use crate::http::replies::{Answer, Content, RETRY_AFTER, plain, refused, set, unavailable};
use crate::http::source::{Source, Unread};
use crate::http::stream::{CHUNK, Chunk, Part, Reply};
use crate::metrics::{Metrics, add};
use crate::policy::secrets::Credential;

/// Bounds of `?part=`, bytes. A smaller part would be outweighed by its headers.
const PART_MIN: u64 = 16 << 10;
const PART_MAX: u64 = 64 << 20;
/// Attempts of one request. It starts again when the file changes before its first byte is sent.
const ATTEMPTS: usize = 3;

/// The file changed before anything was sent: the request has to start again.
struct Again;

/// Answers requests for files that come over one connection.
#[derive(Clone)]
pub(crate) struct FileService {
    pub(crate) desk: Arc<Desk>,
    pub(crate) files: Arc<FileStore>,
    pub(crate) metrics: Arc<Metrics>,
    /// The connection.
    pub(crate) activity: Option<Arc<Activity>>,
}

/// What a request selects of a file.
enum Selected {
    /// 200 with the whole file.
    Whole,
    /// 206 with one range.
    One(ByteRange),
    /// 206 with several ranges.
    Many(Vec<ByteRange>),
    /// Nothing of the file: the reply is a status.
    Nothing(StatusCode),
}

impl FileService {
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
        // Before the engine is asked, so that it knows of a change when it grants.
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
            // The error occurs again when these bytes are read for the body.
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
        Ok(answer.with(Content::Stream(reply.start().map_err(Into::into).boxed())))
    }
}

impl Selected {
    /// Narrows the ranges to one for a client that does not wait. The reply is then as long as what
    /// is there. A reply with status 200 would need the whole file.
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

/// The ranges to send, the text behind them, and the reply's outline.
fn lay_out(file: &ServedFile, selected: &Selected) -> (VecDeque<Part>, Bytes, Outline) {
    let mut headers = common_headers(file);
    let mut status = StatusCode::PARTIAL_CONTENT;
    let single = |range: ByteRange| VecDeque::from([Part { head: Bytes::new(), range }]);
    let (parts, tail, length) = match selected {
        Selected::Many(ranges) => {
            // Random, so that no file can contain it on purpose; twenty digits, as in nginx.
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

/// A reply with the headers but without the content. `HEAD` and an empty file get this reply.
fn head(file: &ServedFile, selected: &Selected) -> Answer {
    let (_, _, outline) = lay_out(file, selected);
    outline.with(Content::Text(String::new()))
}

/// A reply without bytes of the file.
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
    // Otherwise Chrome writes the whole film to its cache on disk.
    set(&mut headers, header::CACHE_CONTROL, "no-store");
    // A stranger wrote this file. It must never run as a page of this origin.
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

/// The announced type, or bytes if a header cannot carry it.
fn content_type(file: &ServedFile) -> String {
    let plain = file.content_type.bytes().all(|b| (b' '..=b'~').contains(&b))
        && file.content_type.len() <= 256;
    if plain && file.content_type.contains('/') {
        file.content_type.clone()
    } else {
        "application/octet-stream".into()
    }
}

/// Whether a browser shows this type without running anything in it.
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

/// The reply to a viewer that got no byte.
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
    // The daemon refuses a range outside the file before it asks the engine. A rejection without a
    // status therefore means "not now".
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
