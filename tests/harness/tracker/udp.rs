//! The protocol of a UDP tracker (BEP 15).
//!
//! It is as strict as public trackers: a client without a connection id, or with a request that is
//! too short, gets an error or no answer.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use super::register::{SharedRegister, compact};

/// The number that starts every connect request.
const PROTOCOL_ID: u64 = 0x0417_2710_1980;
const CONNECT: u32 = 0;
const ANNOUNCE: u32 = 1;
const SCRAPE: u32 = 2;
const ERROR: u32 = 3;
/// Length of an announce without options, bytes.
const ANNOUNCE_LENGTH: usize = 98;
/// The event of an announce from a peer that leaves.
const STOPPED: u32 = 3;
/// Seconds until the next announce.
const INTERVAL: u32 = 60;

/// Answers on a free port.
pub(super) async fn serve(register: SharedRegister) -> Result<(SocketAddr, JoinHandle<()>)> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = socket.local_addr()?;
    let answering = tokio::spawn(Desk { register, connections: 0 }.answer_all(socket));
    Ok((address, answering))
}

/// Answers all requests to one tracker.
struct Desk {
    register: SharedRegister,
    /// Number of connection ids given out. An id is its number, shifted away from the protocol's.
    connections: u64,
}

impl Desk {
    async fn answer_all(mut self, socket: UdpSocket) {
        let mut datagram = [0; 2048];
        loop {
            // An error says that a client closed its socket before its answer came.
            let Ok((length, from)) = socket.recv_from(&mut datagram).await else { continue };
            if let Some(answer) = self.answer(&datagram[..length], from) {
                let _ = socket.send_to(&answer, from).await;
            }
        }
    }

    fn answer(&mut self, datagram: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
        let connection = u64::from_be_bytes(datagram.get(..8)?.try_into().ok()?);
        let (action, transaction) = (word(datagram, 8)?, word(datagram, 12)?);
        if action == CONNECT {
            if connection != PROTOCOL_ID {
                return None;
            }
            self.connections += 1;
            let number = self.connections << 32;
            return Some([&head(CONNECT, transaction)[..], &number.to_be_bytes()].concat());
        }
        let number = connection >> 32;
        if number == 0 || number > self.connections || connection << 32 != 0 {
            return Some([&head(ERROR, transaction)[..], b"no such connection"].concat());
        }
        match action {
            ANNOUNCE if datagram.len() >= ANNOUNCE_LENGTH => {
                let port = u16::from_be_bytes([datagram[96], datagram[97]]);
                let leaves = word(datagram, 80)? == STOPPED;
                let peers = self.register.announce((from.ip(), port).into(), leaves);
                let numbers =
                    [INTERVAL, 0, u32::try_from(peers.len()).ok()?].map(u32::to_be_bytes).concat();
                Some([head(ANNOUNCE, transaction), numbers, compact(&peers)].concat())
            }
            SCRAPE => {
                let torrents = (datagram.len() - 16) / 20;
                let seeders_completed_leechers = [1, 0, 0].map(u32::to_be_bytes).concat();
                Some(
                    [head(SCRAPE, transaction), seeders_completed_leechers.repeat(torrents)]
                        .concat(),
                )
            }
            _ => Some([&head(ERROR, transaction)[..], b"no such action"].concat()),
        }
    }
}

fn head(action: u32, transaction: u32) -> Vec<u8> {
    [action.to_be_bytes(), transaction.to_be_bytes()].concat()
}

fn word(datagram: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(datagram.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;
    use crate::tracker::{Front, Tracker};

    /// A client of the tracker.
    struct Client(UdpSocket);

    impl Client {
        async fn of(tracker: &Tracker) -> Self {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            socket.connect(tracker.address).await.unwrap();
            Self(socket)
        }

        async fn ask(&self, connection: u64, action: u32, body: &[u8]) -> Vec<u8> {
            let datagram = [&connection.to_be_bytes()[..], &head(action, 77), body].concat();
            self.0.send(&datagram).await.unwrap();
            let mut answer = vec![0; 2048];
            let length =
                timeout(Duration::from_secs(5), self.0.recv(&mut answer)).await.unwrap().unwrap();
            answer.truncate(length);
            assert_eq!(word(&answer, 4), Some(77), "the transaction");
            answer
        }

        async fn connection(&self) -> u64 {
            let answer = self.ask(PROTOCOL_ID, CONNECT, &[]).await;
            u64::from_be_bytes(answer[8..16].try_into().unwrap())
        }
    }

    fn announce(port: u16, event: u32) -> Vec<u8> {
        let mut body = vec![0; ANNOUNCE_LENGTH - 16];
        body[64..68].copy_from_slice(&event.to_be_bytes());
        body[80..82].copy_from_slice(&port.to_be_bytes());
        body
    }

    #[tokio::test]
    async fn a_client_with_a_connection_id_gets_the_other_peers() {
        let tracker = Tracker::open(Front::Udp).await.unwrap();
        tracker.name(["127.0.0.1:6881".parse().unwrap()]);
        let client = Client::of(&tracker).await;
        let connection = client.connection().await;
        let answer = client.ask(connection, ANNOUNCE, &announce(256, 2)).await;
        assert_eq!(
            (word(&answer, 0), &answer[20..]),
            (Some(ANNOUNCE), &[127, 0, 0, 1, 0x1a, 0xe1][..])
        );
        let answer = client.ask(connection, ANNOUNCE, &announce(257, 0)).await;
        assert_eq!(answer[20..], [127, 0, 0, 1, 1, 0, 127, 0, 0, 1, 0x1a, 0xe1]);
        client.ask(connection, ANNOUNCE, &announce(256, STOPPED)).await;
        let answer = client.ask(connection, ANNOUNCE, &announce(257, 0)).await;
        assert_eq!(answer.len(), 26, "a peer that left is not named");
        assert_eq!(client.ask(connection, SCRAPE, &[0; 40]).await.len(), 8 + 24);
        assert_eq!(tracker.announces(), 4);
    }

    #[tokio::test]
    async fn a_client_without_a_connection_id_is_refused() {
        let tracker = Tracker::open(Front::Udp).await.unwrap();
        let client = Client::of(&tracker).await;
        let connection = client.connection().await;
        assert_eq!(
            word(&client.ask(connection + 1, ANNOUNCE, &announce(1, 0)).await, 0),
            Some(ERROR)
        );
        assert_eq!(word(&client.ask(connection, ANNOUNCE, &[0; 10]).await, 0), Some(ERROR));
        assert_eq!(tracker.announces(), 0);
    }
}
