//! Who a reply of the HTTP API goes to.

use shared_proto::RequestId;

/// The call, and the base of the URLs in its reply.
pub(super) struct Caller {
    pub(super) id: RequestId,
    pub(super) base: String,
}
