//! Exchanges with UDP trackers (BEP 15), for all torrents: connecting, asking, repeating and giving
//! up.
//!
//! Owns connection ids, transactions and their times; it opens no socket. Datagrams leave through
//! [`Exchanges::poll_send`] and arrive through [`Exchanges::handle_datagram`]; an [`OpId`]
//! identifies each question. Invariants:
//! - an answer counts only if its address, transaction and action are those of the question;
//! - a connection id is used for at most one minute;
//! - every question ends once, by an answer or by giving up.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use rand::{Rng, RngExt};
use shared_proto::OpId;
use shared_proto::io::{OpError, OpErrorKind};

use super::udp::{self, Question, Reply};
use crate::time::Instant;

/// A question is repeated after 15 · 2ⁿ seconds (BEP 15).
const REPEAT: Duration = Duration::from_secs(15);
/// Datagrams sent for a question. The last one times out after 60 seconds; the tracker is asked
/// again in its next turn.
const SENDS: u32 = 3;
/// A connection id is valid for this long after it arrives (BEP 15).
const CONNECTION_LIFE: Duration = Duration::from_secs(60);
/// Maximum number of pending questions: a few for each of a thousand torrents that start together.
const MAX_QUESTIONS: usize = 4_000;
/// Maximum number of trackers whose connection ids are kept.
const MAX_CONNECTIONS: usize = 1_000;

/// The result of a question: the answer without its header.
pub(crate) type Outcome = Result<Bytes, OpError>;

/// A pending connect request.
#[derive(Debug)]
struct Connect {
    transaction: u32,
    sends: u32,
    deadline: Instant,
    /// The questions to send once the tracker has answered.
    waiting: Vec<(OpId, Question)>,
}

/// A pending question.
#[derive(Debug)]
struct Asked {
    op: OpId,
    tracker: SocketAddr,
    question: Question,
    sends: u32,
    deadline: Instant,
}

/// All exchanges with UDP trackers.
#[derive(Debug, Default)]
pub(crate) struct Exchanges {
    connections: BTreeMap<SocketAddr, (u64, Instant)>,
    connects: BTreeMap<SocketAddr, Connect>,
    asked: BTreeMap<u32, Asked>,
    out: VecDeque<(SocketAddr, Bytes)>,
    done: VecDeque<(OpId, Outcome)>,
}

impl Exchanges {
    /// Asks a tracker; the result is identified by `op`.
    pub(crate) fn ask(
        &mut self,
        op: OpId,
        tracker: SocketAddr,
        question: Question,
        rng: &mut impl Rng,
        now: Instant,
    ) {
        let waiting: usize = self.connects.values().map(|connect| connect.waiting.len()).sum();
        if self.asked.len() + waiting >= MAX_QUESTIONS {
            return self.finish(
                op,
                failure(OpErrorKind::Limit, "too many trackers are being asked at once"),
            );
        }
        let tracker = SocketAddr::new(tracker.ip().to_canonical(), tracker.port());
        self.connections.retain(|_, (_, until)| *until > now);
        if let Some(&(connection, _)) = self.connections.get(&tracker) {
            return self.send(op, tracker, question, connection, rng, now);
        }
        if let Some(connect) = self.connects.get_mut(&tracker) {
            return connect.waiting.push((op, question));
        }
        let transaction = rng.random();
        let connect = Connect {
            transaction,
            sends: 1,
            deadline: now + REPEAT,
            waiting: vec![(op, question)],
        };
        self.connects.insert(tracker, connect);
        self.out.push_back((tracker, udp::connect(transaction).into()));
    }

    /// Reads a datagram. False when it answers no question of ours: it may belong to somebody else.
    pub(crate) fn handle_datagram(
        &mut self,
        from: SocketAddr,
        datagram: &[u8],
        rng: &mut impl Rng,
        now: Instant,
    ) -> bool {
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        let Ok((transaction, reply)) = Reply::parse(datagram) else { return false };
        if self.connects.get(&from).is_some_and(|connect| connect.transaction == transaction) {
            return self.connected(from, &reply, rng, now);
        }
        let is_answer = self.asked.get(&transaction).is_some_and(|asked| {
            asked.tracker == from
                && match &reply {
                    Reply::Answer(action, _) => *action == asked.question.action,
                    Reply::Error(_) => true,
                    Reply::Connected(_) => false,
                }
        });
        if !is_answer {
            return false;
        }
        let Some(Asked { op, .. }) = self.asked.remove(&transaction) else { return false };
        let outcome = match reply {
            Reply::Answer(_, body) => Ok(Bytes::copy_from_slice(body)),
            Reply::Error(words) => {
                // The connection id may be the reason for the refusal.
                self.connections.remove(&from);
                refusal(&words)
            }
            Reply::Connected(_) => return false,
        };
        self.finish(op, outcome);
        true
    }

    /// Repeats the datagrams that are due. Gives up on datagrams that were repeated often enough.
    pub(crate) fn handle_timeout(&mut self, rng: &mut impl Rng, now: Instant) {
        let silent = || failure(OpErrorKind::Timeout, "the tracker does not answer");
        let due: Vec<SocketAddr> = self
            .connects
            .iter()
            .filter(|(_, connect)| connect.deadline <= now)
            .map(|(&tracker, _)| tracker)
            .collect();
        for tracker in due {
            let Some(connect) = self.connects.get_mut(&tracker) else { continue };
            if connect.sends < SENDS {
                connect.deadline = now + REPEAT * 2u32.pow(connect.sends);
                connect.sends += 1;
                self.out.push_back((tracker, udp::connect(connect.transaction).into()));
            } else if let Some(connect) = self.connects.remove(&tracker) {
                connect.waiting.into_iter().for_each(|(op, _)| self.finish(op, silent()));
            }
        }
        let due: Vec<u32> = self
            .asked
            .iter()
            .filter(|(_, a)| a.deadline <= now)
            .map(|(&number, _)| number)
            .collect();
        for transaction in due {
            let Some(mut asked) = self.asked.remove(&transaction) else { continue };
            if asked.sends >= SENDS {
                self.finish(asked.op, silent());
                continue;
            }
            match self.connections.get(&asked.tracker).filter(|(_, until)| *until > now) {
                Some(&(connection, _)) => {
                    asked.deadline = now + REPEAT * 2u32.pow(asked.sends);
                    asked.sends += 1;
                    let datagram = asked.question.datagram(connection, transaction);
                    self.out.push_back((asked.tracker, datagram.into()));
                    self.asked.insert(transaction, asked);
                }
                // The connection id expired. A new one outlasts all repetitions, so this happens
                // once.
                None => self.ask(asked.op, asked.tracker, asked.question, rng, now),
            }
        }
    }

    /// When to call [`Exchanges::handle_timeout`].
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let connects = self.connects.values().map(|connect| connect.deadline);
        connects.chain(self.asked.values().map(|asked| asked.deadline)).min()
    }

    /// The next datagram to send.
    pub(crate) fn poll_send(&mut self) -> Option<(SocketAddr, Bytes)> {
        self.out.pop_front()
    }

    /// The next result of a question.
    pub(crate) fn poll_done(&mut self) -> Option<(OpId, Outcome)> {
        self.done.pop_front()
    }

    /// The link to the daemon is lost, and with it all questions. They get no result.
    pub(crate) fn unlink(&mut self) {
        *self = Self::default();
    }

    fn connected(
        &mut self,
        from: SocketAddr,
        reply: &Reply<'_>,
        rng: &mut impl Rng,
        now: Instant,
    ) -> bool {
        if matches!(reply, Reply::Answer(..)) {
            return false;
        }
        let Some(connect) = self.connects.remove(&from) else { return false };
        match reply {
            Reply::Connected(connection) => {
                if self.connections.len() < MAX_CONNECTIONS {
                    self.connections.insert(from, (*connection, now + CONNECTION_LIFE));
                }
                for (op, question) in connect.waiting {
                    self.send(op, from, question, *connection, rng, now);
                }
            }
            Reply::Error(words) => {
                connect.waiting.into_iter().for_each(|(op, _)| self.finish(op, refusal(words)))
            }
            Reply::Answer(..) => {}
        }
        true
    }

    fn send(
        &mut self,
        op: OpId,
        tracker: SocketAddr,
        question: Question,
        connection: u64,
        rng: &mut impl Rng,
        now: Instant,
    ) {
        let mut transaction = rng.random();
        while self.asked.contains_key(&transaction) {
            transaction = rng.random();
        }
        self.out.push_back((tracker, question.datagram(connection, transaction).into()));
        self.asked
            .insert(transaction, Asked { op, tracker, question, sends: 1, deadline: now + REPEAT });
    }

    fn finish(&mut self, op: OpId, outcome: Outcome) {
        self.done.push_back((op, outcome));
    }
}

fn failure(kind: OpErrorKind, message: &str) -> Outcome {
    Err(OpError { kind, message: message.to_owned() })
}

fn refusal(words: &str) -> Outcome {
    failure(OpErrorKind::Other, &format!("the tracker refuses: {words}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    use super::super::testing::PARAMS;
    use super::*;

    const TRACKER: &str = "192.0.2.1:80";

    /// Exchanges with a clock and a random generator.
    struct Bench {
        exchanges: Exchanges,
        rng: ChaCha8Rng,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            Self {
                exchanges: Exchanges::default(),
                rng: ChaCha8Rng::seed_from_u64(1),
                now: Instant(0),
            }
        }

        fn ask(&mut self, op: u64, tracker: &str) {
            let question = Question::scrape(PARAMS.info_hash);
            self.exchanges.ask(
                OpId(op),
                tracker.parse().unwrap(),
                question,
                &mut self.rng,
                self.now,
            );
        }

        fn at(&mut self, seconds: u64) {
            self.now = Instant(seconds * 1_000_000);
            self.exchanges.handle_timeout(&mut self.rng, self.now);
        }

        fn hear(&mut self, from: &str, action: u32, transaction: u32, body: &[u8]) -> bool {
            let datagram = [&action.to_be_bytes()[..], &transaction.to_be_bytes(), body].concat();
            self.exchanges.handle_datagram(
                from.parse().unwrap(),
                &datagram,
                &mut self.rng,
                self.now,
            )
        }

        /// What was sent: connection id, action and transaction of each datagram.
        fn sent(&mut self) -> Vec<(u64, u32, u32)> {
            let mut sent = Vec::new();
            while let Some((_, data)) = self.exchanges.poll_send() {
                let number = |at: usize| u32::from_be_bytes(data[at..at + 4].try_into().unwrap());
                sent.push((
                    u64::from(number(0)) << 32 | u64::from(number(4)),
                    number(8),
                    number(12),
                ));
            }
            sent
        }

        /// The results of questions: `1 ok`, `2 Timeout`.
        fn done(&mut self) -> Vec<String> {
            let mut done = Vec::new();
            while let Some((op, outcome)) = self.exchanges.poll_done() {
                done.push(match outcome {
                    Ok(_) => format!("{op} ok"),
                    Err(error) => format!("{op} {:?}", error.kind),
                });
            }
            done
        }

        /// Asks and connects; returns the transaction of the question that is then sent.
        fn connected(&mut self, op: u64) -> u32 {
            self.ask(op, TRACKER);
            let connect = self.sent()[0].2;
            assert!(self.hear(TRACKER, 0, connect, &7u64.to_be_bytes()));
            self.sent()[0].2
        }
    }

    #[test]
    fn a_question_follows_a_connect_request_and_is_answered() {
        let mut bench = Bench::new();
        bench.ask(1, TRACKER);
        bench.ask(2, TRACKER);
        let sent = bench.sent();
        assert_eq!(sent.len(), 1, "one conversation is enough for both");
        assert_eq!((sent[0].0, sent[0].1), (0x0417_2710_1980, 0));
        assert!(bench.hear(TRACKER, 0, sent[0].2, &7u64.to_be_bytes()));
        let sent = bench.sent();
        assert!(
            sent.len() == 2
                && sent.iter().all(|(connection, action, _)| (*connection, *action) == (7, 2))
        );
        assert!(bench.hear(TRACKER, 2, sent[1].2, &[0; 12]));
        assert!(bench.hear(TRACKER, 3, sent[0].2, b"no"));
        assert_eq!(bench.done(), ["2 ok", "1 Other"]);
        assert_eq!(bench.exchanges.poll_timeout(), None);
    }

    #[test]
    fn unsolicited_answers_are_ignored() {
        let mut bench = Bench::new();
        bench.ask(1, TRACKER);
        let connect = bench.sent()[0].2;
        assert!(!bench.hear("192.0.2.2:80", 0, connect, &7u64.to_be_bytes()), "another address");
        assert!(!bench.hear("192.0.2.1:81", 0, connect, &7u64.to_be_bytes()), "another port");
        assert!(!bench.hear(TRACKER, 0, connect ^ 1, &7u64.to_be_bytes()), "another transaction");
        assert!(!bench.hear(TRACKER, 2, connect, &[0; 12]), "another action");
        assert!(!bench.hear(TRACKER, 0, connect, &[0; 7]), "cut off");
        assert!(
            bench.hear("[::ffff:192.0.2.1]:80", 0, connect, &7u64.to_be_bytes()),
            "the same address in other clothes"
        );
        let scrape = bench.sent()[0].2;
        assert!(
            !bench.hear("192.0.2.2:80", 2, scrape, &[0; 12])
                && !bench.hear(TRACKER, 1, scrape, &[0; 12])
        );
        assert!(!bench.hear(TRACKER, 0, scrape, &[0; 8]));
        assert!(bench.hear(TRACKER, 2, scrape, &[0; 12]));
        assert!(!bench.hear(TRACKER, 2, scrape, &[0; 12]), "twice");
        assert_eq!(bench.done(), ["1 ok"]);
    }

    #[test]
    fn a_silent_tracker_is_asked_three_times() {
        let mut bench = Bench::new();
        bench.ask(1, TRACKER);
        bench.ask(2, TRACKER);
        assert_eq!(bench.sent().len(), 1);
        for (seconds, sends) in [(14, 0), (15, 1), (44, 0), (45, 1), (104, 0)] {
            bench.at(seconds);
            assert_eq!((bench.sent().len(), bench.done().len()), (sends, 0), "at {seconds} s");
        }
        bench.at(105);
        assert_eq!(bench.done(), ["1 Timeout", "2 Timeout"]);
        assert_eq!(bench.exchanges.poll_timeout(), None);
    }

    #[test]
    fn a_lost_question_is_repeated_with_the_same_number() {
        let mut bench = Bench::new();
        let transaction = bench.connected(1);
        bench.at(15);
        assert_eq!(bench.sent(), [(7, 2, transaction)]);
        bench.at(45);
        assert_eq!(bench.sent(), [(7, 2, transaction)]);
        assert!(bench.hear(TRACKER, 2, transaction, &[0; 12]));
        assert_eq!(bench.done(), ["1 ok"]);
    }

    #[test]
    fn a_connection_id_serves_for_a_minute_and_no_longer() {
        let mut bench = Bench::new();
        let first = bench.connected(1);
        assert!(bench.hear(TRACKER, 2, first, &[0; 12]));
        bench.at(59);
        bench.ask(2, TRACKER);
        let second = bench.sent();
        assert_eq!((second[0].0, second[0].1), (7, 2));
        bench.at(74);
        assert_eq!(bench.sent()[0].1, 0, "its repetition needs a new conversation");
        bench.ask(3, TRACKER);
        assert_eq!(bench.sent(), []);
    }

    #[test]
    fn a_refusal_leads_to_a_new_connect_request() {
        let mut bench = Bench::new();
        let first = bench.connected(1);
        assert!(bench.hear(TRACKER, 3, first, b"connection id mismatch"));
        bench.ask(2, TRACKER);
        assert_eq!(bench.sent()[0].1, 0);
    }

    proptest! {
        #[test]
        fn every_question_ends_once(
            steps in prop::collection::vec((0u8..6, 0u8..3, 0u64..40), 0..60),
        ) {
            let mut bench = Bench::new();
            let (mut asked, mut done, mut seconds) = (0, Vec::new(), 0);
            let mut sent = Vec::new();
            for (what, which, pause) in steps {
                seconds += pause;
                bench.at(seconds);
                let tracker = format!("192.0.2.{which}:80");
                match what {
                    0 | 1 => { asked += 1; bench.ask(asked, &tracker); }
                    _ => if let Some((_, action, transaction)) = sent.pop() {
                        bench.hear(
                            &tracker,
                            if what == 5 { 3 } else { action },
                            transaction,
                            &[1; 12],
                        );
                    },
                }
                sent.extend(bench.sent());
                done.extend(bench.done());
            }
            for _ in 0..10 {
                seconds += 61;
                bench.at(seconds);
                done.extend(bench.done());
            }
            let mut ops: Vec<u64> =
                done.iter().map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect();
            ops.sort_unstable();
            prop_assert_eq!(ops, (1..=asked).collect::<Vec<_>>());
        }
    }
}
