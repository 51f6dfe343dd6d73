//! Fetches a range of a URL into files, part by part.
//!
//! Owns the check of the reply and the writing of its body; [`crate::plane::http_client`] reaches
//! the server. Invariants: nothing is written unless the reply says that it is the requested range;
//! no byte beyond it is written; at most one step of the body is in memory; waiting for rate limits
//! and the disk does not count against the server.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use reqwest::{
    Response,
    header::{CONTENT_RANGE, HeaderMap},
};
use shared_proto::io::{OpError, OpErrorKind, OpOutput};
use tokio::time::Instant;

use crate::files::{
    FileStore,
    claimed::{Claimed, Placed},
    error::op_error,
    locks::Access,
};
use crate::metrics::Metrics;
use crate::plane::http_client::{HttpClient, failure_of};
use crate::policy::limits;
use crate::sockets::Meter;

/// Where a range goes, and at what rate.
pub(crate) struct Target {
    pub(crate) store: Arc<FileStore>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) meter: Meter,
    pub(crate) spans: Vec<Placed>,
}

/// [`shared_proto::IoCommand::HttpFetch`]
///
/// # Errors
/// As [`HttpClient::get`]; also [`OpErrorKind::Network`] for a reply that is not the range, and
/// errors of the disk.
pub(crate) async fn fetch(
    http: &HttpClient,
    url: &str,
    offset: u64,
    target: Target,
    timeout: Duration,
) -> Result<OpOutput, OpError> {
    let mut patience = Patience(timeout.min(limits::MAX_TRANSFER_TIMEOUT));
    let length: u64 = target.spans.iter().map(|span| u64::from(span.length())).sum();
    let last = offset.checked_add(length).filter(|_| length > 0).map(|end| end - 1);
    let last = last.ok_or_else(|| op_error(OpErrorKind::Denied, "there is no such range"))?;
    let response = patience.with(http.open(url, Some((offset, last)))).await??;
    let status = response.status().as_u16();
    if !matches!(status, 200 | 206) {
        return Ok(OpOutput::Http { status, body: Bytes::new() });
    }
    let is_range = match status {
        206 => starts_with_range(response.headers(), offset, last),
        // A server without ranges sends the file from its start.
        _ => offset == 0,
    };
    // A content coding says nothing here: a range is one of the encoded file (RFC 9110 §14.2), and
    // servers label compressed files with the coding of their content. The hash decides.
    if !is_range || response.content_length().is_some_and(|announced| announced != length) {
        return Err(wrong_length());
    }
    store_body(response, length, target, &mut patience).await?;
    Ok(OpOutput::Http { status, body: Bytes::new() })
}

/// Whether `Content-Range` (RFC 9110 §14.4) names this range.
fn starts_with_range(headers: &HeaderMap, first: u64, last: u64) -> bool {
    let range =
        headers.get(CONTENT_RANGE).and_then(|range| range.to_str().ok()).unwrap_or_default();
    let named = || {
        let (unit, range) = range.trim().split_once(' ')?;
        let (range, _) = range.split_once('/').filter(|_| unit.eq_ignore_ascii_case("bytes"))?;
        let (first, last) = range.trim().split_once('-')?;
        Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
    };
    named() == Some((first, last))
}

async fn store_body(
    mut response: Response,
    length: u64,
    target: Target,
    patience: &mut Patience,
) -> Result<(), OpError> {
    let Target { store, metrics, meter, spans } = target;
    let mut spans = Spans { left: spans.into_iter(), rest: None };
    let mut step = BytesMut::new();
    let mut received = 0;
    loop {
        let chunk = patience.with(response.chunk()).await?.map_err(|error| failure_of(&error))?;
        let is_end = chunk.is_none();
        if let Some(chunk) = chunk {
            received += chunk.len() as u64;
            if received > length {
                return Err(wrong_length());
            }
            meter.down(chunk.len()).await;
            step.extend_from_slice(&chunk);
        }
        if step.len() >= limits::FETCH_STEP || (is_end && !step.is_empty()) {
            let data = step.split().freeze();
            let placed = spans.take(data.len());
            write(&store, placed, data.clone()).await?;
            metrics.payload_stored_bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
        }
        if is_end {
            return if received == length { Ok(()) } else { Err(wrong_length()) };
        }
    }
}

/// How much longer the server may take in total.
struct Patience(Duration);

impl Patience {
    async fn with<T>(&mut self, answer: impl Future<Output = T>) -> Result<T, OpError> {
        let began = Instant::now();
        let answer = tokio::time::timeout(self.0, answer).await;
        self.0 = self.0.saturating_sub(began.elapsed());
        answer.map_err(|_| op_error(OpErrorKind::Timeout, "the server took too long"))
    }
}

/// Claims the bytes as late as possible. No other command then waits for a slow server.
async fn write(store: &FileStore, placed: Vec<Placed>, data: Bytes) -> Result<(), OpError> {
    if placed.iter().any(Placed::is_closed) {
        return Err(op_error(OpErrorKind::NotFound, "the file was closed"));
    }
    let ready = Claimed::new(store, None, Access::Write, placed).ready().await;
    store.disk_job(move || ready.write(data)).await
}

fn wrong_length() -> OpError {
    op_error(OpErrorKind::Network, "the server sent something else than the range")
}

/// Spans, taken from the front.
struct Spans {
    left: std::vec::IntoIter<Placed>,
    rest: Option<Placed>,
}

impl Spans {
    /// Takes the next `bytes` bytes.
    fn take(&mut self, mut bytes: usize) -> Vec<Placed> {
        let mut taken = Vec::new();
        while bytes > 0
            && let Some(span) = self.rest.take().or_else(|| self.left.next())
        {
            let (now, rest) = span.split_at(u32::try_from(bytes).unwrap_or(u32::MAX));
            bytes -= now.length() as usize;
            taken.push(now);
            self.rest = rest;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_range_is_the_range() {
        let check = |text: &str, expected| {
            let headers = HeaderMap::from_iter([(CONTENT_RANGE, text.parse().expect("a header"))]);
            assert_eq!(starts_with_range(&headers, 5, 9), expected, "{text}");
        };
        check("bytes 5-9/100", true);
        check("bytes 5-9/*", true);
        check("Bytes  5-9/100", true);
        check("bytes 5-8/100", false);
        check("bytes 0-9/100", false);
        check("bytes */100", false);
        check("bytes 5-9", false);
        check("items 5-9/100", false);
        check("bytes -5-9/100", false);
        check("bytes 5-99999999999999999999/1", false);
        assert!(!starts_with_range(&HeaderMap::new(), 5, 9));
    }
}
