//! The ways to connect to a peer: TCP or uTP, plain or encrypted, and their order.
//!
//! Owns what the user allows ([`ConnectionPolicy`]) and the results of one peer's dials
//! ([`DialAttempts`]); it dials nobody. Invariant: one round tries each way at most once, and ends.

use super::mse::Encryption;

/// The transport of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// uTP (BEP 29).
    Utp,
}

/// One way to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DialMethod {
    /// The transport.
    pub transport: Transport,
    /// Whether an encrypted handshake comes first ([`super::mse`]).
    pub encrypted: bool,
}

/// All ways, by their index.
const ALL: [DialMethod; 4] = [
    DialMethod { transport: Transport::Tcp, encrypted: false },
    DialMethod { transport: Transport::Tcp, encrypted: true },
    DialMethod { transport: Transport::Utp, encrypted: false },
    DialMethod { transport: Transport::Utp, encrypted: true },
];

/// The ways that the user allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionPolicy {
    /// The policy for encryption.
    pub encryption: Encryption,
    /// TCP, for incoming and outgoing connections.
    pub tcp: bool,
    /// uTP, for incoming and outgoing connections. It needs datagram sockets
    /// ([`crate::net::NetConfig`]).
    pub utp: bool,
}

impl Default for ConnectionPolicy {
    fn default() -> Self {
        Self { encryption: Encryption::default(), tcp: true, utp: false }
    }
}

impl ConnectionPolicy {
    /// The allowed ways, best first.
    ///
    /// TCP precedes uTP: it is the faster one where both work, and the operating system provides
    /// it.
    fn in_order(self) -> impl Iterator<Item = DialMethod> {
        let encrypted: &[bool] = match self.encryption {
            Encryption::Off => &[false],
            Encryption::Allowed => &[false, true],
            Encryption::Preferred => &[true, false],
            Encryption::Forced => &[true],
        };
        let transports = [(Transport::Tcp, self.tcp), (Transport::Utp, self.utp)];
        let transports =
            transports.into_iter().filter_map(|(transport, allowed)| allowed.then_some(transport));
        transports.flat_map(|transport| {
            encrypted.iter().map(move |&encrypted| DialMethod { transport, encrypted })
        })
    }
}

/// How far a dial came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reached {
    /// No connection.
    #[default]
    Nothing,
    /// A connection, but no handshake.
    Connection,
    /// A handshake: another way would lead to the same.
    Peer,
}

/// The results of dialling one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DialAttempts {
    allowed: ConnectionPolicy,
    current: Option<DialMethod>,
    /// The way of the last successful handshake.
    good: Option<DialMethod>,
    /// The ways not to try before the next round, by their index in [`ALL`].
    failed: [bool; ALL.len()],
}

impl DialAttempts {
    /// Starts a dial; returns the next allowed way. `None` if no way is allowed.
    pub(crate) fn begin(&mut self, allowed: ConnectionPolicy) -> Option<DialMethod> {
        self.allowed = allowed;
        self.current = self.next();
        if self.current.is_none() {
            // The remaining ways are no longer allowed.
            self.failed = <_>::default();
            self.current = self.next();
        }
        self.current
    }

    /// Chooses a way over uTP for hole punching, whatever happened before.
    ///
    /// The peer dials us at the same time, so that both routers admit the packets. `None` if no
    /// such way is allowed.
    pub(crate) fn punch(&mut self, allowed: ConnectionPolicy) -> Option<DialMethod> {
        if !allowed.utp {
            return None;
        }
        self.failed = ALL.map(|way| way.transport != Transport::Utp);
        self.begin(allowed)
    }

    /// The way of the current or last dial.
    pub(crate) fn current(&self) -> Option<DialMethod> {
        self.current
    }

    /// Whether another transport remains to be tried if the current one fails.
    pub(crate) fn has_other_transport(&self) -> bool {
        let is_other = |way: DialMethod| {
            self.current.is_some_and(|current| way.transport != current.transport)
        };
        self.left().any(is_other)
    }

    /// The dial or the connection has ended. Returns whether to try another way at once; otherwise
    /// the round is over.
    pub(crate) fn ended(&mut self, reached: Reached) -> bool {
        let Some(way) = self.current.take() else { return false };
        for (other, failed) in ALL.iter().zip(&mut self.failed) {
            *failed |= match reached {
                Reached::Nothing => other.transport == way.transport,
                // libtorrent accepts connections over an unwanted transport, and then closes them.
                Reached::Connection => *other == way,
                Reached::Peer => true,
            };
        }
        if reached == Reached::Peer {
            self.good = Some(way);
        }
        let goes_on = self.next().is_some();
        if !goes_on {
            self.failed = <_>::default();
        }
        goes_on
    }

    fn next(&self) -> Option<DialMethod> {
        self.left().next()
    }

    fn left(&self) -> impl Iterator<Item = DialMethod> {
        let good = self.good.filter(|good| self.allowed.in_order().any(|way| way == *good));
        let failed = |way: &DialMethod| {
            ALL.iter().zip(self.failed).any(|(other, failed)| other == way && failed)
        };
        good.into_iter().chain(self.allowed.in_order()).filter(move |way| !failed(way))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLICIES: [Encryption; 4] =
        [Encryption::Off, Encryption::Allowed, Encryption::Preferred, Encryption::Forced];

    fn word(way: DialMethod) -> &'static str {
        match (way.transport, way.encrypted) {
            (Transport::Tcp, false) => "tcp",
            (Transport::Tcp, true) => "TCP",
            (Transport::Utp, false) => "utp",
            (Transport::Utp, true) => "UTP",
        }
    }

    /// Returns the ways of one round in order, in capitals if encrypted. `reached` says how far
    /// each way gets.
    fn round(tries: &mut DialAttempts, allowed: ConnectionPolicy, reached: &[Reached]) -> String {
        let mut words = Vec::new();
        for &reached in reached {
            words.extend(tries.begin(allowed).map(word));
            if !tries.ended(reached) {
                break;
            }
        }
        words.join(" ")
    }

    fn check(encryption: Encryption, utp: bool, reached: &[Reached], expected: &str) {
        let allowed = ConnectionPolicy { encryption, tcp: true, utp };
        assert_eq!(
            round(&mut DialAttempts::default(), allowed, reached),
            expected,
            "{allowed:?} {reached:?}"
        );
    }

    #[test]
    fn a_peer_that_disconnects_is_dialled_the_other_way() {
        use Reached::{Connection, Nothing, Peer};
        check(Encryption::Off, true, &[Connection; 4], "tcp utp");
        check(Encryption::Allowed, true, &[Connection; 4], "tcp TCP utp UTP");
        check(Encryption::Preferred, true, &[Connection; 4], "TCP tcp UTP utp");
        check(Encryption::Forced, false, &[Connection; 4], "TCP");
        check(Encryption::Allowed, true, &[Nothing, Connection, Connection], "tcp utp UTP");
        check(
            Encryption::Allowed,
            true,
            &[Connection, Nothing, Connection, Connection],
            "tcp TCP utp UTP",
        );
        check(Encryption::Allowed, true, &[Peer; 4], "tcp");
    }

    #[test]
    fn an_unreachable_peer_is_dialled_over_the_other_transport() {
        check(Encryption::Preferred, true, &[Reached::Nothing; 4], "TCP UTP");
        check(Encryption::Forced, true, &[Reached::Nothing; 4], "TCP UTP");
        check(Encryption::Allowed, false, &[Reached::Nothing; 4], "tcp");
    }

    #[test]
    fn a_successful_way_comes_first_in_the_next_round() {
        let allowed = ConnectionPolicy { encryption: Encryption::Allowed, tcp: true, utp: true };
        let mut tries = DialAttempts::default();
        assert_eq!(
            round(&mut tries, allowed, &[Reached::Nothing, Reached::Connection, Reached::Peer]),
            "tcp utp UTP"
        );
        assert_eq!(round(&mut tries, allowed, &[Reached::Nothing; 4]), "UTP tcp");
        let without = ConnectionPolicy { utp: false, ..allowed };
        assert_eq!(
            round(&mut tries, without, &[Reached::Nothing; 4]),
            "tcp",
            "what is not allowed any more is not used"
        );
    }

    #[test]
    fn nothing_is_tried_where_nothing_is_allowed() {
        let none = ConnectionPolicy { tcp: false, utp: false, ..ConnectionPolicy::default() };
        assert_eq!(DialAttempts::default().begin(none), None);
        assert!(!DialAttempts::default().ended(Reached::Nothing));
    }

    #[test]
    fn a_punch_dials_over_utp_only() {
        let check = |encryption, reached: &[Reached], expected: &str| {
            let allowed = ConnectionPolicy { encryption, tcp: true, utp: true };
            let mut tries = DialAttempts { good: Some(ALL[0]), ..DialAttempts::default() };
            let mut words = Vec::from_iter(tries.punch(allowed).map(word));
            for &reached in reached {
                if !tries.ended(reached) {
                    break;
                }
                words.extend(tries.begin(allowed).map(word));
            }
            assert_eq!(words.join(" "), expected, "{encryption:?} {reached:?}");
        };
        check(Encryption::Allowed, &[Reached::Nothing; 3], "utp");
        check(Encryption::Allowed, &[Reached::Connection; 3], "utp UTP");
        check(Encryption::Forced, &[Reached::Connection; 3], "UTP");
        check(Encryption::Allowed, &[Reached::Peer; 3], "utp");
        assert_eq!(
            DialAttempts::default()
                .punch(ConnectionPolicy { utp: false, ..ConnectionPolicy::default() }),
            None
        );
    }

    #[test]
    fn another_remaining_transport_is_reported() {
        let mut tries = DialAttempts::default();
        assert!(!tries.has_other_transport());
        tries.begin(ConnectionPolicy { utp: true, ..ConnectionPolicy::default() });
        assert!(tries.has_other_transport());
        tries.ended(Reached::Nothing);
        tries.begin(ConnectionPolicy { utp: true, ..ConnectionPolicy::default() });
        assert!(!tries.has_other_transport());
    }

    proptest! {
        #[test]
        fn a_round_tries_each_way_once_and_ends(
            (policy, tcp, utp) in (0usize..4, any::<bool>(), any::<bool>()),
            reached in prop::collection::vec(0usize..3, 1..40),
        ) {
            let allowed = ConnectionPolicy { encryption: POLICIES[policy], tcp, utp };
            let (mut tries, mut tried) = (DialAttempts::default(), Vec::new());
            for reached in reached {
                let Some(way) = tries.begin(allowed) else { break };
                prop_assert!(allowed.in_order().any(|one| one == way));
                prop_assert!(!tried.contains(&word(way)));
                tried.push(word(way));
                if !tries.ended([Reached::Nothing, Reached::Connection, Reached::Peer][reached]) {
                    tried.clear();
                }
            }
        }
    }
}
