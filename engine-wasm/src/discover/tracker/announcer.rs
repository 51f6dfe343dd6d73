//! The announces of one torrent or magnet link to its trackers.
//!
//! [`TrackerSchedule`] says which tracker is due. The announcer turns that into questions
//! ([`Ask`]), which its owner sends, and reads the answers. It owns the pending questions and the
//! addresses of UDP trackers; it sends nothing. It looks up a UDP tracker's name for each announce
//! and asks over IPv4 and IPv6, because each family has peers of its own (BEP 7). The first answer
//! sets the time of the next announce; both name peers.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use rand::{Rng, RngExt};
use shared_proto::OpId;
use shared_proto::io::{Family, OpError, OpOutput};

use super::schedule::{Announce, TrackerId, TrackerSchedule};
use super::status::{NotNow, TrackerStatus};
use super::udp::{self, Question};
use super::url::{TrackerUrl, UdpUrl};
use super::{AnnounceParams, AnnounceResponse, Counts, Event, TrackerError, http};
use crate::addresses::Families;
use crate::metainfo::InfoHash;
use crate::time::Instant;

/// A question for a tracker.
#[derive(Debug)]
pub(crate) struct Ask {
    /// What to send.
    pub(crate) inquiry: Inquiry,
    /// What to pass to [`Announcer::asked`] with the operation's id. `None` if the answer is
    /// ignored.
    pub(crate) job: Option<Job>,
}

/// What to send for a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Inquiry {
    /// An HTTP request for this URL ([`http::fetch`]).
    Fetch(String),
    /// A look-up of a host name.
    Resolve {
        /// The name.
        host: String,
        /// The port that each address of the answer gets.
        port: u16,
    },
    /// A question for a UDP tracker at this address.
    Datagram(SocketAddr, Question),
}

/// A pending question.
#[derive(Debug)]
pub(crate) struct Job {
    tracker: TrackerId,
    goal: Goal,
    step: Step,
}

#[derive(Clone, Copy, Debug)]
enum Goal {
    Announce(AnnounceParams),
    Scrape,
    /// To find a peer that the tracker names by its host.
    Peer,
}

/// The step that a pending question has reached.
#[derive(Debug)]
enum Step {
    /// An HTTP request is pending.
    Fetch,
    /// The name of a UDP tracker is being looked up. Each failure selects another of its addresses.
    Resolve { url: UdpUrl, failures: u32 },
    /// The host name of a peer is being looked up.
    PeerName,
    /// A question over this address family is pending.
    Ask(Family),
}

/// What an answer yields.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    /// Peers that the tracker names.
    pub(crate) peers: Vec<SocketAddr>,
    /// Our own address as the tracker sees it (BEP 24).
    pub(crate) external: Option<IpAddr>,
    /// The questions to send next.
    pub(crate) asks: Vec<Ask>,
}

/// The trackers of one torrent.
#[derive(Debug)]
pub(crate) struct Announcer {
    info_hash: InfoHash,
    /// A number by which trackers recognise us when our address changes.
    key: u32,
    schedule: TrackerSchedule,
    /// Whether the settings allow trackers.
    allowed: bool,
    jobs: BTreeMap<OpId, Job>,
    /// The last known addresses of UDP trackers: a goodbye does not wait for a look-up.
    addresses: BTreeMap<TrackerId, Vec<SocketAddr>>,
}

impl Announcer {
    /// The trackers of a torrent, each tier shuffled. The first announce is due at once.
    pub(crate) fn new(
        info_hash: InfoHash,
        tiers: Vec<Vec<String>>,
        allowed: bool,
        rng: &mut impl Rng,
        now: Instant,
    ) -> Self {
        let schedule = TrackerSchedule::new(tiers, rng, now);
        Self {
            info_hash,
            key: rng.random(),
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

    /// Allows or forbids trackers. When forbidden, trackers that know us get a goodbye.
    pub(crate) fn allow(
        &mut self,
        allowed: bool,
        params: &AnnounceParams,
        now: Instant,
    ) -> Vec<Ask> {
        let stops = self.allowed && !allowed;
        self.allowed = allowed;
        if stops { self.stop(params, now) } else { Vec::new() }
    }

    /// Adds tiers behind the existing ones.
    pub(crate) fn add(&mut self, tiers: Vec<Vec<String>>, now: Instant) {
        self.schedule.add(tiers, now);
    }

    /// Adds tiers that the user named: their trackers are asked at once.
    pub(crate) fn add_by_hand(&mut self, tiers: Vec<Vec<String>>, now: Instant) {
        self.schedule.add_by_hand(tiers, now);
    }

    /// Removes trackers. Those that know us get a goodbye.
    pub(crate) fn remove(&mut self, urls: &[String], params: &AnnounceParams) -> Vec<Ask> {
        let goodbyes = self.schedule.remove(urls);
        for goodbye in &goodbyes {
            self.jobs.retain(|_, job| job.tracker != goodbye.id);
        }
        goodbyes.into_iter().flat_map(|goodbye| self.goodbye(goodbye, params)).collect()
    }

    /// Makes every tracker due that may be asked now; returns their number.
    ///
    /// # Errors
    /// [`NotNow`]: no tracker may be asked now.
    pub(crate) fn announce_now(&mut self, now: Instant) -> Result<u32, NotNow> {
        if self.is_empty() {
            return Err(if self.allowed { NotNow::NoTracker } else { NotNow::Forbidden });
        }
        self.schedule.begin_by_hand(now).map_err(|wait| wait.map_or(NotNow::Gone, NotNow::Wait))
    }

    /// The URLs of all trackers, tier by tier.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.schedule.urls()
    }

    /// Questions for the trackers that are due. `params.event` is filled in here.
    pub(crate) fn due(&mut self, params: &AnnounceParams, now: Instant) -> Vec<Ask> {
        let mut asks = Vec::new();
        if !self.allowed {
            return asks;
        }
        while let Some(announce) = self.schedule.poll_announce(now) {
            asks.push(self.announce(announce, params));
        }
        if let Some(scrape) = self.schedule.poll_scrape(now) {
            match scrape.url {
                TrackerUrl::Http(url) => {
                    if let Some(url) = http::scrape_url(&url, self.info_hash) {
                        asks.push(fetch(scrape.id, Goal::Scrape, url));
                    }
                }
                TrackerUrl::Udp(url) => asks.push(resolve(scrape.id, Goal::Scrape, url, 0)),
            }
        }
        asks
    }

    /// A question was sent; `op` identifies its answer.
    pub(crate) fn asked(&mut self, op: OpId, job: Job) {
        self.jobs.insert(op, job);
    }

    /// Reads an answer; `None` when it answers no question of ours. `datagrams` holds the families
    /// over which a UDP tracker can be asked.
    pub(crate) fn answered(
        &mut self,
        op: OpId,
        result: Result<OpOutput, OpError>,
        datagrams: Families,
        now: Instant,
    ) -> Option<Answered> {
        let job = self.jobs.remove(&op)?;
        if let Step::Resolve { url, failures } = &job.step {
            let asks = self.resolved(&job, url, *failures, result, datagrams, now);
            return Some(Answered { asks, ..Answered::default() });
        }
        Some(match job.goal {
            Goal::Peer => {
                let found =
                    if let Ok(OpOutput::Addresses(found)) = result { found } else { vec![] };
                Answered { peers: found, ..Answered::default() }
            }
            Goal::Scrape => {
                if let Ok(counts) = counts(&job.step, result, self.info_hash) {
                    self.schedule.scraped(job.tracker, counts);
                }
                Answered::default()
            }
            Goal::Announce(_) => match answer(&job.step, result) {
                Ok(answer) => {
                    self.schedule.succeeded(job.tracker, &answer, now);
                    let AnnounceResponse { peers, external, hosts, .. } = answer;
                    let asks = hosts.into_iter().map(|host| look_up(job.tracker, host)).collect();
                    Answered { peers, external, asks }
                }
                Err(error) => {
                    self.failed(job.tracker, &error, now);
                    Answered::default()
                }
            },
        })
    }

    /// The download is complete: trackers that know us will be informed.
    pub(crate) fn completed(&mut self) {
        self.schedule.completed();
    }

    /// Our port has changed: trackers that know us will be informed.
    pub(crate) fn moved(&mut self) {
        self.schedule.moved();
    }

    /// The link to the daemon is lost, and with it every pending question.
    pub(crate) fn unlink(&mut self, now: Instant) {
        self.jobs.clear();
        self.schedule.unlink(now);
    }

    /// The torrent stops. Trackers that know us get a goodbye.
    pub(crate) fn stop(&mut self, params: &AnnounceParams, now: Instant) -> Vec<Ask> {
        self.jobs.clear();
        let goodbyes = self.schedule.stop(now);
        goodbyes.into_iter().flat_map(|goodbye| self.goodbye(goodbye, params)).collect()
    }

    fn goodbye(&mut self, goodbye: Announce, params: &AnnounceParams) -> Vec<Ask> {
        let params = AnnounceParams { event: goodbye.event, numwant: 0, ..*params };
        let inquiries = match goodbye.url {
            TrackerUrl::Http(url) => {
                let tracker_id = goodbye.tracker_id.as_deref();
                vec![Inquiry::Fetch(http::announce_url(&url, &params, self.key, tracker_id))]
            }
            TrackerUrl::Udp(url) => {
                let addresses = self.addresses.remove(&goodbye.id).unwrap_or_default();
                let question = |addr| {
                    let question = Question::announce(&params, self.key, &url.request);
                    Inquiry::Datagram(addr, question)
                };
                addresses.into_iter().map(question).collect()
            }
        };
        inquiries.into_iter().map(|inquiry| Ask { inquiry, job: None }).collect()
    }

    /// Why no tracker works; `None` when one does.
    pub(crate) fn trouble(&self) -> Option<&TrackerError> {
        self.schedule.trouble().filter(|_| self.allowed)
    }

    /// The state of each tracker; empty while trackers are not allowed.
    pub(crate) fn statuses(&self, now: Instant) -> Vec<TrackerStatus> {
        if self.allowed { self.schedule.statuses(now) } else { Vec::new() }
    }

    fn announce(&self, announce: Announce, params: &AnnounceParams) -> Ask {
        let numwant = if announce.event == Some(Event::Completed) { 0 } else { params.numwant };
        let params = AnnounceParams { event: announce.event, numwant, ..*params };
        let (id, goal) = (announce.id, Goal::Announce(params));
        match announce.url {
            TrackerUrl::Http(url) => {
                let tracker_id = announce.tracker_id.as_deref();
                fetch(id, goal, http::announce_url(&url, &params, self.key, tracker_id))
            }
            TrackerUrl::Udp(url) => resolve(id, goal, url, announce.failures),
        }
    }

    fn resolved(
        &mut self,
        job: &Job,
        url: &UdpUrl,
        failures: u32,
        result: Result<OpOutput, OpError>,
        datagrams: Families,
        now: Instant,
    ) -> Vec<Ask> {
        let addresses = match result {
            Ok(OpOutput::Addresses(addresses)) => addresses,
            Ok(_) => Vec::new(),
            Err(error) => {
                self.failed(job.tracker, &TrackerError::Lost(error), now);
                return Vec::new();
            }
        };
        let addresses: Vec<SocketAddr> = choose(&addresses, failures)
            .into_iter()
            .filter(|addr| datagrams.include(*addr))
            .collect();
        if addresses.is_empty() {
            self.failed(job.tracker, &TrackerError::NoWay, now);
            return Vec::new();
        }
        let ask = |&addr: &SocketAddr| {
            let question = match job.goal {
                Goal::Announce(params) => Question::announce(&params, self.key, &url.request),
                Goal::Scrape | Goal::Peer => Question::scrape(self.info_hash),
            };
            let step = Step::Ask(family_of(addr));
            let job = Job { tracker: job.tracker, goal: job.goal, step };
            Ask { inquiry: Inquiry::Datagram(addr, question), job: Some(job) }
        };
        let asks = addresses.iter().map(ask).collect();
        self.addresses.insert(job.tracker, addresses);
        asks
    }

    /// A question failed. The tracker has failed if no other announce to it is pending.
    fn failed(&mut self, tracker: TrackerId, error: &TrackerError, now: Instant) {
        let is_announce =
            |job: &Job| job.tracker == tracker && matches!(job.goal, Goal::Announce(_));
        if !self.jobs.values().any(is_announce) {
            tracing::debug!(torrent = %self.info_hash, %error, "tracker failed");
            self.schedule.failed(tracker, error, now);
        }
    }
}

fn fetch(tracker: TrackerId, goal: Goal, url: String) -> Ask {
    let job = Job { tracker, goal, step: Step::Fetch };
    Ask { inquiry: Inquiry::Fetch(url), job: Some(job) }
}

fn resolve(tracker: TrackerId, goal: Goal, url: UdpUrl, failures: u32) -> Ask {
    let inquiry = Inquiry::Resolve { host: url.host.clone(), port: url.port };
    let step = Step::Resolve { url, failures };
    Ask { inquiry, job: Some(Job { tracker, goal, step }) }
}

/// Looks up a peer that a tracker names by host and port.
fn look_up(tracker: TrackerId, (host, port): (String, u16)) -> Ask {
    let inquiry = Inquiry::Resolve { host, port };
    Ask { inquiry, job: Some(Job { tracker, goal: Goal::Peer, step: Step::PeerName }) }
}

/// Picks one address of each family.
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
        _ => http::parse_response(&http::body(result)?),
    }
}

fn counts(
    step: &Step,
    result: Result<OpOutput, OpError>,
    info_hash: InfoHash,
) -> Result<Counts, TrackerError> {
    match step {
        Step::Ask(_) => udp::parse_scrape(&datagram(result)?),
        _ => http::parse_scrape(&http::body(result)?, info_hash),
    }
}

/// The bytes of a UDP tracker's answer.
fn datagram(result: Result<OpOutput, OpError>) -> Result<bytes::Bytes, TrackerError> {
    match result {
        Ok(OpOutput::Bytes(body)) => Ok(body),
        Ok(_) => Err(TrackerError::AnswerLost),
        Err(error) => Err(TrackerError::Lost(error)),
    }
}

#[cfg(test)]
mod tests;
