//! Calls whose content is still coming, part by part.
//!
//! Owns the parts until a call is whole. It never knows what a call asks for. The daemon bounds all
//! contents together; here each is bounded by what its call announced.

use std::collections::BTreeMap;

use bytes::Bytes;
use shared_proto::{DaemonMessage, RequestId};

/// All such calls.
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
    /// A call with a content of this length was announced.
    pub(crate) fn expect(&mut self, request_id: RequestId, call: DaemonMessage, length: usize) {
        self.calls.insert(request_id, Call { call, length, content: Vec::new() });
    }

    /// More of a content came. The call, when that was the last part.
    pub(crate) fn push(
        &mut self,
        request_id: RequestId,
        data: &[u8],
    ) -> Option<(DaemonMessage, Bytes)> {
        let call = self.calls.get_mut(&request_id)?;
        // What is more than announced does not belong to it.
        let room = call.length - call.content.len();
        call.content.extend_from_slice(&data[..data.len().min(room)]);
        if call.content.len() < call.length {
            return None;
        }
        self.calls.remove(&request_id).map(|whole| (whole.call, whole.content.into()))
    }

    /// Nobody waits for the answer any more.
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
    fn contents_that_come_in_turns_are_told_apart() {
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
    fn what_nobody_waits_for_is_thrown_away() {
        let mut calls = Incoming::default();
        announced(&mut calls, 1, 4);
        calls.leave(id(1));
        assert_eq!(calls.push(id(1), b"abcd"), None);
        assert_eq!(calls.push(id(3), b"abcd"), None);
        assert!(calls.calls.is_empty());
    }
}
