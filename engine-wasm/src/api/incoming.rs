//! API calls whose content has not arrived completely.
//!
//! This module owns the received parts until a call is complete; it does not interpret calls. The
//! daemon limits the total size of all contents; here each call is limited to its announced length.

use std::collections::BTreeMap;

use bytes::Bytes;
use shared_proto::{DaemonMessage, RequestId};

/// The incomplete calls.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    calls: BTreeMap<RequestId, Call>,
}

#[derive(Debug)]
struct Call {
    call: DaemonMessage,
    length: usize,
    content: Vec<u8>,
}

impl Incoming {
    /// Adds a call whose content of this length will follow.
    pub(crate) fn expect(&mut self, request_id: RequestId, call: DaemonMessage, length: usize) {
        self.calls.insert(request_id, Call { call, length, content: Vec::new() });
    }

    /// Adds a part of the content. Returns the call with its content once complete.
    pub(crate) fn push(
        &mut self,
        request_id: RequestId,
        data: &[u8],
    ) -> Option<(DaemonMessage, Bytes)> {
        let call = self.calls.get_mut(&request_id)?;
        // Bytes beyond the announced length are ignored.
        let room = call.length - call.content.len();
        call.content.extend_from_slice(&data[..data.len().min(room)]);
        if call.content.len() < call.length {
            return None;
        }
        self.calls.remove(&request_id).map(|whole| (whole.call, whole.content.into()))
    }

    /// Removes a call whose client disconnected.
    pub(crate) fn leave(&mut self, request_id: RequestId) {
        self.calls.remove(&request_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> RequestId {
        RequestId(uuid::Uuid::from_u128(number))
    }

    fn announced(calls: &mut Incoming, number: u128, length: usize) {
        calls.expect(id(number), DaemonMessage::RangeCancel { request_id: id(number) }, length);
    }

    #[test]
    fn interleaved_contents_are_separated() {
        let mut calls = Incoming::default();
        announced(&mut calls, 1, 4);
        announced(&mut calls, 2, 2);
        assert_eq!(calls.push(id(1), b"ab"), None);
        assert_eq!(calls.push(id(2), b"x"), None);
        assert_eq!(
            calls.push(id(1), b"cd").map(|(_, content)| content),
            Some(Bytes::from_static(b"abcd"))
        );
        assert_eq!(
            calls.push(id(2), b"yz").map(|(_, content)| content),
            Some(Bytes::from_static(b"xy"))
        );
        assert!(calls.calls.is_empty());
    }

    #[test]
    fn content_of_unknown_calls_is_dropped() {
        let mut calls = Incoming::default();
        announced(&mut calls, 1, 4);
        calls.leave(id(1));
        assert_eq!(calls.push(id(1), b"abcd"), None);
        assert_eq!(calls.push(id(3), b"abcd"), None);
        assert!(calls.calls.is_empty());
    }
}
