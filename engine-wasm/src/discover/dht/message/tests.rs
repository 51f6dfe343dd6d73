//! Messages as other clients write them, and as we do.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

const ASKER: NodeId = NodeId(*b"abcdefghij0123456789");
const OTHER: NodeId = NodeId(*b"mnopqrstuvwxyz123456");

fn asks(query: Query) -> Body {
    Body::Query { id: ASKER, query, want: None, read_only: false }
}

fn answers(id: NodeId, nodes: &[Contact], peers: &[&str], token: Option<&[u8]>) -> Body {
    let peers = peers.iter().map(|peer| peer.parse().unwrap()).collect();
    Body::Response(Response { id, nodes: nodes.to_vec(), peers, token: token.map(<[u8]>::to_vec) })
}

/// Checks that the packet parses to this body with transaction ID `aa`.
fn check(packet: &[u8], expected: Body) {
    let message =
        Message::parse(packet).unwrap_or_else(|error| panic!("{}: {error}", packet.escape_ascii()));
    assert_eq!(message, Message { transaction: b"aa".to_vec(), seen_as: None, body: expected });
}

fn check_refused(packet: &[u8], expected: &str) {
    let error = Message::parse(packet).expect_err("it is refused");
    assert_eq!(error.to_string(), expected, "{}", packet.escape_ascii());
}

#[test]
fn the_examples_of_bep_5_are_read() {
    check(b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe", asks(Query::Ping));
    check(b"d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re", answers(OTHER, &[], &[], None));
    check(
        b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node\
          1:t2:aa1:y1:qe",
        asks(Query::FindNode { target: OTHER }),
    );
    check(
        b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers\
          1:t2:aa1:y1:qe",
        asks(Query::GetPeers { info_hash: InfoHash(OTHER.0) }),
    );
    check(
        b"d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee\
          1:t2:aa1:y1:re",
        answers(ASKER, &[], &["97.120.106.101:11893", "105.100.104.116:28269"], Some(b"aoeusnth")),
    );
    let announce = |port| {
        asks(Query::AnnouncePeer {
            info_hash: InfoHash(OTHER.0),
            port,
            token: b"aoeusnth".to_vec(),
        })
    };
    check(
        b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz1234564:porti6881e\
          5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe",
        announce(Some(6881)),
    );
    check(
        b"d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz123456\
          4:porti6881e5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe",
        announce(None),
    );
    check(b"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee", Body::Error(ErrorCode::Generic));
}

#[test]
fn nodes_of_both_families_are_parsed_and_a_partial_one_ignored() {
    let nodes = [
        Contact { id: OTHER, addr: "1.2.3.4:5".parse().unwrap() },
        Contact { id: ASKER, addr: "[2001:db8::1]:6".parse().unwrap() },
    ];
    let packet = Message {
        transaction: b"aa".to_vec(),
        seen_as: None,
        body: answers(ASKER, &nodes, &[], None),
    };
    check(&packet.encode(), answers(ASKER, &nodes, &[], None));
    check(
        b"d1:rd2:id20:mnopqrstuvwxyz123456\
          5:nodes27:mnopqrstuvwxyz123456\x01\x02\x03\x04\x00\x05?e1:t2:aa1:y1:re",
        answers(OTHER, &nodes[..1], &[], None),
    );
}

#[test]
fn want_and_read_only_are_parsed() {
    check(
        b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz1234564:wantl2:n42:n6ee\
          1:q9:find_node2:roi1e1:t2:aa1:y1:qe",
        Body::Query {
            id: ASKER,
            query: Query::FindNode { target: OTHER },
            want: Some(Want { v4: true, v6: true }),
            read_only: true,
        },
    );
}

#[test]
fn unknown_queries_with_a_target_are_treated_as_find_node() {
    check(
        b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q17:sample_infohashes\
          1:t2:aa1:y1:qe",
        asks(Query::FindNode { target: OTHER }),
    );
    check_refused(
        b"d1:ad2:id20:abcdefghij0123456789e1:q4:vote1:t2:aa1:y1:qe",
        "invalid query: MethodUnknown",
    );
}

#[test]
fn queries_without_required_fields_are_refused() {
    for packet in [
        &b"d1:q4:ping1:t2:aa1:y1:qe"[..],
        b"d1:ad2:id3:abce1:q4:ping1:t2:aa1:y1:qe",
        b"d1:ad2:id20:abcdefghij0123456789e1:t2:aa1:y1:qe",
        b"d1:ad2:id20:abcdefghij0123456789e1:q9:find_node1:t2:aa1:y1:qe",
        b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz1234564:porti0e5:token1:ae\
          1:q13:announce_peer1:t2:aa1:y1:qe",
        b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz1234564:porti1ee\
          1:q13:announce_peer1:t2:aa1:y1:qe",
    ] {
        check_refused(packet, "invalid query: Protocol");
    }
}

#[test]
fn invalid_messages_are_refused() {
    check_refused(b"hello", "the packet is not valid bencoding: unexpected byte at 0");
    check_refused(&vec![b'd'; MAX_PACKET + 1], "the packet is too long: 2049 bytes");
    for packet in [
        &b"de"[..],
        b"d1:y1:qe",
        b"d1:t2:aae",
        b"d1:t2:aa1:y1:xe",
        b"d1:rd2:id2:xxe1:t2:aa1:y1:re",
        b"i1e",
    ] {
        check_refused(packet, "the packet is not a DHT message");
    }
}

fn any_contact() -> impl Strategy<Value = Contact> {
    (any::<[u8; 20]>(), any_addr()).prop_map(|(id, addr)| Contact { id: NodeId(id), addr })
}

fn any_addr() -> impl Strategy<Value = SocketAddr> {
    (any::<std::net::IpAddr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

fn any_query() -> impl Strategy<Value = Query> {
    prop_oneof![
        Just(Query::Ping),
        any::<[u8; 20]>().prop_map(|id| Query::FindNode { target: NodeId(id) }),
        any::<[u8; 20]>().prop_map(|id| Query::GetPeers { info_hash: InfoHash(id) }),
        (any::<[u8; 20]>(), option::of(1u16..), vec(any::<u8>(), 0..9)).prop_map(
            |(id, port, token)| { Query::AnnouncePeer { info_hash: InfoHash(id), port, token } }
        ),
    ]
}

fn any_body() -> impl Strategy<Value = Body> {
    let want = option::of((any::<bool>(), any::<bool>()).prop_map(|(v4, v6)| Want { v4, v6 }));
    let response = (
        any::<[u8; 20]>(),
        vec(any_contact(), 0..17),
        vec(any_addr(), 0..50),
        option::of(vec(any::<u8>(), 0..9)),
    );
    prop_oneof![
        (any::<[u8; 20]>(), any_query(), want, any::<bool>()).prop_map(
            |(id, query, want, read_only)| Body::Query { id: NodeId(id), query, want, read_only }
        ),
        response.prop_map(|(id, mut nodes, peers, token)| {
            nodes.sort_by_key(|node| family_of(node.addr));
            Body::Response(Response { id: NodeId(id), nodes, peers, token })
        }),
        (200i64..206).prop_map(|number| Body::Error(ErrorCode::from_number(number))),
    ]
}

proptest! {
    #[test]
    fn encoded_messages_round_trip(
        transaction in vec(any::<u8>(), 0..=MAX_TRANSACTION),
        seen_as in option::of(any_addr()),
        body in any_body(),
    ) {
        let message = Message { transaction, seen_as, body };
        prop_assert_eq!(Message::parse(&message.encode()), Ok(message));
    }

    #[test]
    fn no_input_panics(packet in vec(any::<u8>(), 0..200)) {
        let _ = Message::parse(&packet);
    }

    #[test]
    fn no_message_with_a_changed_byte_panics(
        body in any_body(),
        at: prop::sample::Index,
        byte: u8,
    ) {
        let mut packet =
            Message { transaction: b"aa".to_vec(), seen_as: None, body }.encode().to_vec();
        let at = at.index(packet.len());
        packet[at] = byte;
        let _ = Message::parse(&packet);
    }
}
