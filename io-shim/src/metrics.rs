//! Counters and gauges of the daemon in Prometheus text format 0.0.4.
//!
//! Every number here may be shown to anyone on this machine: no names, no addresses, no secrets.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// The counters and gauges behind `/metrics`.
#[derive(Debug, Default)]
pub struct Metrics {
    /// TCP connections that are open or being opened.
    pub conns_open: AtomicU64,
    /// Bytes of diverted payload written to files.
    pub payload_stored_bytes: AtomicU64,
    /// Bytes of diverted payload that were dropped.
    pub payload_dropped_bytes: AtomicU64,
    /// Bytes of files sent over connections.
    pub payload_sent_bytes: AtomicU64,
    /// Files that the engine has open.
    pub files_open: AtomicU64,
    /// Bytes hashed.
    pub digest_bytes: AtomicU64,
    /// HTTP connections that are open, without those that became WebSockets.
    pub http_conns_open: AtomicU64,
    /// Bytes of files sent to viewers.
    pub served_bytes: AtomicU64,
    /// Bytes read from files for viewers.
    pub read_bytes: AtomicU64,
    /// Bytes that the kernel was advised to read.
    pub hinted_bytes: AtomicU64,
    /// Control connections that were accepted.
    pub engines: AtomicU64,
    /// Bytes of text frames from engines.
    pub control_text_in: AtomicU64,
    /// Bytes of text frames to engines.
    pub control_text_out: AtomicU64,
    /// Bytes of binary frames from engines.
    pub control_io_in: AtomicU64,
    /// Bytes of binary frames to engines.
    pub control_io_out: AtomicU64,
    statuses: Mutex<BTreeMap<u16, u64>>,
}

/// The desk's numbers at the moment of a request for `/metrics`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Now {
    /// Viewers now.
    pub(crate) viewers: usize,
    /// Viewers whose request has no grant yet.
    pub(crate) waiting: usize,
    /// Calls of the HTTP API now.
    pub(crate) calls: usize,
    /// Whether an engine is connected.
    pub(crate) engine: bool,
    /// Tasks of the runtime. A task that never ends shows up here.
    pub(crate) tasks: usize,
}

impl Metrics {
    /// Counts a reply by its status.
    pub(crate) fn count_status(&self, status: u16) {
        *self.statuses.lock().entry(status).or_default() += 1;
    }

    /// The text of `/metrics`.
    pub(crate) fn render(&self, now: Now) -> String {
        let mut page = Page::default();
        page.gauge("jstorrent_viewers", "Replies that are waiting or running.", now.viewers as u64);
        page.gauge(
            "jstorrent_viewers_waiting",
            "Requests that wait for their first grant.",
            now.waiting as u64,
        );
        page.gauge(
            "jstorrent_calls",
            "Calls of the HTTP API that are waiting or running.",
            now.calls as u64,
        );
        page.gauge("jstorrent_tasks", "Tasks that are waiting or running.", now.tasks as u64);
        page.gauge(
            "jstorrent_engine_connected",
            "Whether an engine is connected.",
            u64::from(now.engine),
        );
        page.gauge(
            "jstorrent_http_connections",
            "Open HTTP connections, without WebSockets.",
            read(&self.http_conns_open),
        );
        page.gauge(
            "jstorrent_tcp_connections",
            "Connections that the engine has open.",
            read(&self.conns_open),
        );
        page.gauge(
            "jstorrent_files_open",
            "Files that the engine has open.",
            read(&self.files_open),
        );
        page.counter(
            "jstorrent_engines_total",
            "Engines that have connected.",
            read(&self.engines),
        );
        page.counter(
            "jstorrent_served_bytes_total",
            "Bytes of files sent to viewers.",
            read(&self.served_bytes),
        );
        page.counter(
            "jstorrent_read_bytes_total",
            "Bytes read from files for viewers.",
            read(&self.read_bytes),
        );
        page.counter(
            "jstorrent_hinted_bytes_total",
            "Bytes that the kernel was advised to read ahead.",
            read(&self.hinted_bytes),
        );
        page.counter(
            "jstorrent_stored_bytes_total",
            "Bytes of diverted payload written to files.",
            read(&self.payload_stored_bytes),
        );
        page.counter(
            "jstorrent_dropped_bytes_total",
            "Bytes of diverted payload that were dropped.",
            read(&self.payload_dropped_bytes),
        );
        page.counter(
            "jstorrent_sent_bytes_total",
            "Bytes of files sent over connections.",
            read(&self.payload_sent_bytes),
        );
        page.counter("jstorrent_digest_bytes_total", "Bytes hashed.", read(&self.digest_bytes));
        page.head(
            "jstorrent_control_bytes_total",
            "counter",
            "Bytes over the control WebSocket, by direction and plane.",
        );
        for (direction, kind, count) in [
            ("in", "control", &self.control_text_in),
            ("out", "control", &self.control_text_out),
            ("in", "io", &self.control_io_in),
            ("out", "io", &self.control_io_out),
        ] {
            let labels = format!("{{direction=\"{direction}\",kind=\"{kind}\"}}");
            page.sample("jstorrent_control_bytes_total", &labels, read(count));
        }
        page.head("jstorrent_http_replies_total", "counter", "HTTP replies by status.");
        for (status, count) in self.statuses.lock().iter() {
            page.sample(
                "jstorrent_http_replies_total",
                &format!("{{status=\"{status}\"}}"),
                *count,
            );
        }
        page.0
    }
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, amount: usize) {
    counter.fetch_add(amount as u64, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, "gauge", help);
        self.sample(name, "", value);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, "counter", help);
        self.sample(name, "", value);
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn sample(&mut self, name: &str, labels: &str, value: u64) {
        self.line(format_args!("{name}{labels} {value}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{line}").expect("a string takes every line");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_has_its_type_and_help() {
        let metrics = Metrics::default();
        metrics.count_status(206);
        metrics.count_status(206);
        add(&metrics.control_io_out, 7);
        let page = metrics.render(Now { viewers: 3, ..Now::default() });
        assert!(page.contains("jstorrent_http_replies_total{status=\"206\"} 2\n"), "{page}");
        assert!(
            page.contains("jstorrent_control_bytes_total{direction=\"out\",kind=\"io\"} 7\n"),
            "{page}"
        );
        assert!(page.contains("jstorrent_viewers 3\n"), "{page}");
        for sample in page.lines().filter(|line| !line.starts_with('#')) {
            let name = sample.split(['{', ' ']).next().unwrap();
            assert!(
                page.contains(&format!("# TYPE {name} "))
                    && page.contains(&format!("# HELP {name} ")),
                "{name}"
            );
        }
    }
}
