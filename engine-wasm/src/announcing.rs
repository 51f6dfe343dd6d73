//! Sends a swarm's questions to its trackers and handles their answers.
//!
//! Torrents and magnet links share this.

use shared_proto::io::{OpError, OpOutput};
use shared_proto::{IoCommand, OpId};

use crate::context::{Context, Owner};
use crate::discover::tracker::announcer::{Ask, Inquiry};
use crate::discover::tracker::http;
use crate::metainfo::InfoHash;
use crate::torrent::swarm::Swarm;

/// Sends questions of a torrent or magnet link to its trackers.
pub(crate) fn send(swarm: &mut Swarm, torrent: InfoHash, asks: Vec<Ask>, cx: &mut Context<'_>) {
    for Ask { inquiry, job } in asks {
        let owner = job.as_ref().map_or(Owner::Engine, |_| Owner::Torrent(torrent));
        let op = cx.new_op(owner);
        match inquiry {
            Inquiry::Fetch(url) => cx.order(http::fetch(op, url)),
            Inquiry::Resolve { host, port } => cx.order(IoCommand::Resolve { op, host, port }),
            Inquiry::Datagram(tracker, question) => {
                cx.shared.trackers.ask(op, tracker, question, cx.rng, cx.now);
            }
        }
        if let Some(job) = job {
            swarm.tracker_asked(op, job);
        }
    }
}

/// Handles an answer that may be a tracker's. Sends the questions that follow from the answer.
///
/// Returns false if the answer is not a tracker's. After one that is, peers may be dialled, and a
/// tracker that failed makes room for the next.
pub(crate) fn take_answer(
    swarm: &mut Swarm,
    torrent: InfoHash,
    (op, result): (OpId, Result<OpOutput, OpError>),
    cx: &mut Context<'_>,
) -> bool {
    let datagrams = cx.shared.net.datagram_families();
    let Some(answered) = swarm.tracker_answered(op, result, datagrams, cx.now) else {
        return false;
    };
    if let Some(address) = answered.external {
        cx.shared.external.add_vote(address);
    }
    send(swarm, torrent, answered.asks, cx);
    true
}
