//! One torrent's trackers at work: what [`TrackerSchedule`] says is due is asked, over HTTP or UDP,
//! and what comes back is taken in.
//!
//! Owns the questions that are under way and the addresses of UDP trackers. It is the same for
//! torrents and magnet links. A UDP tracker's name is looked up for each announce, and it is asked
//! over IPv4 and IPv6, each of which has peers of its own (BEP 7); the first that answers sets the
//! time, and both name peers.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use rand::RngExt;
use shared_proto::io::{Family, OpError, OpOutput};
use shared_proto::{IoCommand, OpId};

use super::schedule::{Announce, TrackerId, TrackerSchedule};
use super::udp::{self, Question};
use super::url::{TrackerUrl, UdpUrl};
use super::{AnnounceParams, AnnounceResponse, Counts, Event, NO_PORT, TrackerError, http};
use crate::context::{Context, Owner};
use crate::metainfo::InfoHash;
use crate::time::Instant;
use crate::view::{Sentence, TrackerView};

impl AnnounceParams {
    /// What is said for a torrent of which nothing was given or got yet, and that has room for so
    /// many peers.
    pub(crate) fn new(
        info_hash: InfoHash,
        left: u64,
        max_connections: usize,
        cx: &Context<'_>,
    ) -> Self {
        Self {
            info_hash,
            peer_id: cx.peer_id,
            port: cx.shared.net.public_port().unwrap_or(NO_PORT),
            uploaded: 0,
            downloaded: 0,
            left,
            event: None,
            numwant: u32::try_from(max_connections * 2).unwrap_or(u32::MAX),
        }
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
enum Goal {
    Announce(AnnounceParams),
    Scrape,
}

/// How far it is.
#[derive(Debug)]
enum Step {
    /// An HTTP tracker is asked.
    Fetch,
    /// A UDP tracker's name is being looked up. Of several addresses another one is tried after
    /// each failure.
    Resolve { url: UdpUrl, failures: u32 },
    /// A UDP tracker is asked over this family.
    Ask(Family),
}

#[derive(Debug)]
struct Job {
    tracker: TrackerId,
    goal: Goal,
    step: Step,
}

/// The trackers of one torrent.
#[derive(Debug)]
pub(crate) struct Announcer {
    info_hash: InfoHash,
    /// By which trackers know us when our address changes.
    key: u32,
    schedule: TrackerSchedule,
    /// Whether a person wants any asked.
    allowed: bool,
    jobs: BTreeMap<OpId, Job>,
    /// Where UDP trackers were found last: goodbyes do not wait for a look-up.
    addresses: BTreeMap<TrackerId, Vec<SocketAddr>>,
}

impl Announcer {
    /// The trackers of a torrent, each tier shuffled. The first announce is due at once.
    pub(crate) fn new(info_hash: InfoHash, tiers: Vec<Vec<String>>, cx: &mut Context<'_>) -> Self {
        let schedule = TrackerSchedule::new(tiers, cx.rng, cx.now);
        let (allowed, key) = (cx.shared.sources.trackers, cx.rng.random());
        Self {
            info_hash,
            key,
            schedule,
            allowed,
            jobs: BTreeMap::new(),
            addresses: BTreeMap::new(),
        }
    }

    /// Whether there is no tracker that can be asked.
    pub(crate) fn is_empty(&self) -> bool {
        !self.allowed || self.schedule.is_empty()
    }

    /// A person wants trackers asked, or none of them: those who know us then hear that we stop.
    pub(crate) fn allow(&mut self, allowed: bool, params: &AnnounceParams, cx: &mut Context<'_>) {
        if self.allowed && !allowed {
            self.stop(params, cx);
        }
        self.allowed = allowed;
    }

    /// More tiers, behind those that are there.
    pub(crate) fn add(&mut self, tiers: Vec<Vec<String>>, cx: &mut Context<'_>) {
        self.schedule.add(tiers, cx.now);
    }

    /// More tiers that a person named: their trackers are asked at once.
    pub(crate) fn add_by_hand(&mut self, tiers: Vec<Vec<String>>, cx: &mut Context<'_>) {
        self.schedule.add_by_hand(tiers, cx.now);
    }

    /// These trackers are asked no more: those of them that know us hear that we stop.
    pub(crate) fn remove(
        &mut self,
        urls: &[String],
        params: &AnnounceParams,
        cx: &mut Context<'_>,
    ) {
        for goodbye in self.schedule.remove(urls) {
            self.jobs.retain(|_, job| job.tracker != goodbye.id);
            self.say_goodbye(goodbye, params, cx);
        }
    }

    /// Has all asked that may be asked now: how many these are.
    ///
    /// # Errors
    /// None may be; in plain words why.
    pub(crate) fn announce_now(&mut self, now: Instant) -> Result<u32, Sentence> {
        if self.is_empty() {
            return Err(if self.allowed { Sentence::NoTracker } else { Sentence::TrackersOff });
        }
        self.schedule.begin_by_hand(now).map_err(|wait| match wait {
            Some(wait) => {
                let seconds = u32::try_from(wait.as_secs().max(1)).unwrap_or(u32::MAX);
                Sentence::AskedJustNow { seconds }
            }
            None => Sentence::TrackersGone,
        })
    }

    /// The URLs of all trackers, tier by tier.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.schedule.urls()
    }

    /// Asks whoever is due. `params.event` is filled in here.
    pub(crate) fn tend(&mut self, params: &AnnounceParams, cx: &mut Context<'_>) {
        if !self.allowed {
            return;
        }
        while let Some(announce) = self.schedule.poll_announce(cx.now) {
            self.announce(announce, params, cx);
        }
        if let Some(scrape) = self.schedule.poll_scrape(cx.now) {
            match scrape.url {
                TrackerUrl::Http(url) => {
                    if let Some(url) = http::scrape_url(&url, self.info_hash) {
                        self.ask(scrape.id, Goal::Scrape, Step::Fetch, cx, |op| {
                            http::fetch(op, url)
                        });
                    }
                }
                TrackerUrl::Udp(url) => self.resolve(scrape.id, Goal::Scrape, url, 0, cx),
            }
        }
    }

    /// An answer came: the peers that it names. `None` when it is none of a tracker.
    pub(crate) fn handle_done(
        &mut self,
        op: OpId,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) -> Option<Vec<SocketAddr>> {
        let job = self.jobs.remove(&op)?;
        if let Step::Resolve { url, failures } = &job.step {
            self.resolved(&job, url, *failures, result, cx);
            return Some(Vec::new());
        }
        Some(match job.goal {
            Goal::Scrape => {
                if let Ok(counts) = counts(&job.step, result, self.info_hash) {
                    self.schedule.scraped(job.tracker, counts);
                }
                Vec::new()
            }
            Goal::Announce(_) => match answer(&job.step, result) {
                Ok(answer) => {
                    self.schedule.succeeded(job.tracker, &answer, cx.now);
                    if let Some(address) = answer.external {
                        cx.shared.external.hear(address);
                    }
                    answer.peers
                }
                Err(error) => {
                    self.failed(job.tracker, &error, cx.now);
                    Vec::new()
                }
            },
        })
    }

    /// The last byte has come: those who know us are to hear it.
    pub(crate) fn completed(&mut self) {
        self.schedule.completed();
    }

    /// Others reach us at another port: those who know us are to hear it.
    pub(crate) fn moved(&mut self) {
        self.schedule.moved();
    }

    /// The daemon is gone, and what was under way with it.
    pub(crate) fn unlink(&mut self, now: Instant) {
        self.jobs.clear();
        self.schedule.unlink(now);
    }

    /// The torrent stops: those who know us hear it, and nobody waits for their answers.
    pub(crate) fn stop(&mut self, params: &AnnounceParams, cx: &mut Context<'_>) {
        self.jobs.clear();
        for goodbye in self.schedule.stop(cx.now) {
            self.say_goodbye(goodbye, params, cx);
        }
    }

    fn say_goodbye(&mut self, goodbye: Announce, params: &AnnounceParams, cx: &mut Context<'_>) {
        let params = AnnounceParams { event: goodbye.event, numwant: 0, ..*params };
        match goodbye.url {
            TrackerUrl::Http(url) => {
                let url =
                    http::announce_url(&url, &params, self.key, goodbye.tracker_id.as_deref());
                cx.ask(Owner::Engine, |op| http::fetch(op, url));
            }
            TrackerUrl::Udp(url) => {
                for addr in self.addresses.remove(&goodbye.id).unwrap_or_default() {
                    cx.ask_tracker(
                        Owner::Engine,
                        addr,
                        Question::announce(&params, self.key, &url.request),
                    );
                }
            }
        }
    }

    /// Why there is no tracker that works.
    pub(crate) fn trouble(&self) -> Option<&Sentence> {
        self.schedule.trouble().filter(|_| self.allowed)
    }

    /// The trackers as pages see them.
    pub(crate) fn views(&self, now: Instant) -> Vec<TrackerView> {
        if self.allowed { self.schedule.views(now) } else { Vec::new() }
    }

    fn announce(&mut self, announce: Announce, params: &AnnounceParams, cx: &mut Context<'_>) {
        let numwant = if announce.event == Some(Event::Completed) { 0 } else { params.numwant };
        let params = AnnounceParams { event: announce.event, numwant, ..*params };
        let (id, goal) = (announce.id, Goal::Announce(params));
        match announce.url {
            TrackerUrl::Http(url) => {
                let url =
                    http::announce_url(&url, &params, self.key, announce.tracker_id.as_deref());
                self.ask(id, goal, Step::Fetch, cx, |op| http::fetch(op, url));
            }
            TrackerUrl::Udp(url) => self.resolve(id, goal, url, announce.failures, cx),
        }
    }

    fn resolve(
        &mut self,
        tracker: TrackerId,
        goal: Goal,
        url: UdpUrl,
        failures: u32,
        cx: &mut Context<'_>,
    ) {
        let (host, port) = (url.host.clone(), url.port);
        let step = Step::Resolve { url, failures };
        self.ask(tracker, goal, step, cx, |op| IoCommand::Resolve { op, host, port });
    }

    fn resolved(
        &mut self,
        job: &Job,
        url: &UdpUrl,
        failures: u32,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        let addresses = match result {
            Ok(OpOutput::Addresses(addresses)) => addresses,
            Ok(_) => Vec::new(),
            Err(error) => {
                return self.failed(job.tracker, &TrackerError::Lost((&error).into()), cx.now);
            }
        };
        let net = &cx.shared.net;
        let can_ask = |addr: &SocketAddr| net.is_opening() || net.udp_towards(*addr).is_some();
        let addresses: Vec<SocketAddr> =
            choose(&addresses, failures).into_iter().filter(can_ask).collect();
        if addresses.is_empty() {
            let error = TrackerError::NoWay;
            return self.failed(job.tracker, &error, cx.now);
        }
        for &addr in &addresses {
            let question = match job.goal {
                Goal::Announce(params) => Question::announce(&params, self.key, &url.request),
                Goal::Scrape => Question::scrape(self.info_hash),
            };
            let op = cx.ask_tracker(Owner::Torrent(self.info_hash), addr, question);
            let job =
                Job { tracker: job.tracker, goal: job.goal, step: Step::Ask(family_of(addr)) };
            self.jobs.insert(op, job);
        }
        self.addresses.insert(job.tracker, addresses);
    }

    /// It counts as a failure when nothing else of it is under way.
    fn failed(&mut self, tracker: TrackerId, error: &TrackerError, now: Instant) {
        let is_announce =
            |job: &Job| job.tracker == tracker && matches!(job.goal, Goal::Announce(_));
        if !self.jobs.values().any(is_announce) {
            tracing::debug!(torrent = %self.info_hash, %error, "tracker failed");
            self.schedule.failed(tracker, error, now);
        }
    }

    fn ask(
        &mut self,
        tracker: TrackerId,
        goal: Goal,
        step: Step,
        cx: &mut Context<'_>,
        command: impl FnOnce(OpId) -> IoCommand,
    ) {
        let op = cx.ask(Owner::Torrent(self.info_hash), command);
        self.jobs.insert(op, Job { tracker, goal, step });
    }
}

/// One address of each family.
fn choose(addresses: &[SocketAddr], failures: u32) -> Vec<SocketAddr> {
    let of = |family| {
        let all: Vec<SocketAddr> =
            addresses.iter().copied().filter(|addr| family_of(*addr) == family).collect();
        let turn = usize::try_from(failures).unwrap_or(0).checked_rem(all.len())?;
        all.get(turn).copied()
    };
    [Family::V4, Family::V6].into_iter().filter_map(of).collect()
}

fn family_of(addr: SocketAddr) -> Family {
    if addr.ip().to_canonical().is_ipv4() { Family::V4 } else { Family::V6 }
}

fn answer(
    step: &Step,
    result: Result<OpOutput, OpError>,
) -> Result<AnnounceResponse, TrackerError> {
    match step {
        Step::Ask(family) => udp::parse_response(&datagram(result)?, *family),
        Step::Fetch | Step::Resolve { .. } => http::parse_response(&http::body(result)?),
    }
}

fn counts(
    step: &Step,
    result: Result<OpOutput, OpError>,
    info_hash: InfoHash,
) -> Result<Counts, TrackerError> {
    match step {
        Step::Ask(_) => udp::parse_scrape(&datagram(result)?),
        Step::Fetch | Step::Resolve { .. } => http::parse_scrape(&http::body(result)?, info_hash),
    }
}

/// What a UDP tracker answered.
fn datagram(result: Result<OpOutput, OpError>) -> Result<bytes::Bytes, TrackerError> {
    match result {
        Ok(OpOutput::Bytes(body)) => Ok(body),
        Ok(_) => Err(TrackerError::AnswerLost),
        Err(error) => Err(TrackerError::Lost((&error).into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_of_each_family_is_asked_and_another_one_after_a_failure() {
        let check = |failures, expected: &[&str]| {
            let all =
                ["192.0.2.1:1", "[2001:db8::1]:1", "192.0.2.2:1"].map(|addr| addr.parse().unwrap());
            let chosen: Vec<String> =
                choose(&all, failures).iter().map(ToString::to_string).collect();
            assert_eq!(chosen, expected);
        };
        check(0, &["192.0.2.1:1", "[2001:db8::1]:1"]);
        check(1, &["192.0.2.2:1", "[2001:db8::1]:1"]);
        check(2, &["192.0.2.1:1", "[2001:db8::1]:1"]);
        assert_eq!(choose(&[], 1), []);
    }
}
