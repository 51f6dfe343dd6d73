//! Which sockets are opened under each configuration, and on which ports.

use shared_proto::io::{MappedBy, OpErrorKind};

use super::*;

const TAKEN: u16 = 6881;
const FREE: u16 = 40_000;

/// Opens all sockets while port [`TAKEN`] is taken, with or without IPv6.
///
/// Returns the commands and the resulting state.
fn run(config: NetConfig, has_v6: bool) -> (Vec<(bool, Family, u16)>, Net) {
    run_with(config, ConnectionPolicy::default(), has_v6)
}

fn run_with(
    config: NetConfig,
    policy: ConnectionPolicy,
    has_v6: bool,
) -> (Vec<(bool, Family, u16)>, Net) {
    let mut net = Net::new(config, policy);
    net.link();
    let mut asked = Vec::new();
    for op in 1.. {
        let op = OpId(op);
        let Some(command) = net.next_command(op) else { break };
        let (is_tcp, family, port) = match command {
            IoCommand::TcpListen { family, port, .. } => (true, family, port),
            IoCommand::UdpBind { family, port, .. } => (false, family, port),
            IoCommand::UtpListen { .. } => {
                assert!(net.answered(op, &Ok(OpOutput::Unit)));
                continue;
            }
            other => panic!("{other:?}"),
        };
        asked.push((is_tcp, family, port));
        let works = port != TAKEN && (has_v6 || family == Family::V4);
        let error = OpError { kind: OpErrorKind::Other, message: "no".into() };
        let bound = OpOutput::Bound { port: if port == 0 { FREE } else { port } };
        assert!(net.answered(op, &if works { Ok(bound) } else { Err(error) }));
    }
    assert!(!net.answered(OpId(0), &Ok(OpOutput::Unit)));
    (asked, net)
}

#[test]
fn all_sockets_share_the_port_of_the_first() {
    let (asked, net) =
        run(NetConfig { listen_port: Some(0), udp: true, ..NetConfig::default() }, true);
    let expected = [
        (true, Family::V4, 0),
        (false, Family::V4, FREE),
        (false, Family::V6, FREE),
        (true, Family::V6, FREE),
    ];
    assert_eq!(asked, expected);
    assert_eq!((net.listen_port(), net.udp_port()), (Some(FREE), Some(FREE)));
    let towards = |to: &str| net.udp_towards(to.parse().unwrap()).unwrap();
    assert_ne!(towards("1.2.3.4:5"), towards("[::1]:5"));
    assert_eq!(net.role(towards("1.2.3.4:5")), Some(Role::Datagrams));
}

#[test]
fn a_port_that_is_taken_is_replaced_by_any_other() {
    let (_, net) = run(NetConfig { listen_port: Some(TAKEN), ..NetConfig::default() }, true);
    assert_eq!((net.listen_port(), net.udp_port()), (Some(FREE), None));
}

#[test]
fn a_machine_without_ipv6_listens_all_the_same() {
    let (asked, net) =
        run(NetConfig { listen_port: Some(FREE), udp: true, ..NetConfig::default() }, false);
    assert!(asked.len() <= 6, "{asked:?}");
    assert_eq!(net.udp_port(), Some(FREE));
    assert_eq!(net.udp_towards("[::1]:5".parse().unwrap()), None);
}

#[test]
fn port_mappings_are_requested_for_ipv4_sockets() {
    let config = NetConfig { listen_port: Some(FREE), udp: true, port_mapping: true };
    let (_, mut net) = run(config, true);
    let asked: Vec<SocketId> = std::iter::from_fn(|| net.next_to_map())
        .map(|command| match command {
            IoCommand::PortMap { socket } => socket,
            other => panic!("{other:?}"),
        })
        .collect();
    let roles: Vec<_> = asked.iter().map(|socket| net.role(*socket)).collect();
    assert_eq!(roles, [Some(Role::Datagrams), Some(Role::Listen)]);
    assert_eq!((net.public_port(), net.listen_port()), (Some(FREE), Some(FREE)));
    net.port_mapped(asked[1], Ok(Mapping { port: 7, address: None, by: MappedBy::Upnp }));
    assert_eq!((net.public_port(), net.listen_port()), (Some(7), Some(FREE)));
    let (_, mut unasked) = run(NetConfig { listen_port: None, ..config }, true);
    assert_eq!(unasked.next_to_map(), None, "no peer is meant to reach us");
}

#[test]
fn a_machine_without_ipv4_has_one_port_as_well() {
    let mut net = Net::new(
        NetConfig { listen_port: Some(0), udp: true, ..NetConfig::default() },
        ConnectionPolicy::default(),
    );
    net.link();
    let mut ports = Vec::new();
    for op in 1.. {
        let op = OpId(op);
        let Some(command) = net.next_command(op) else { break };
        let (IoCommand::TcpListen { family, port, .. } | IoCommand::UdpBind { family, port, .. }) =
            command
        else {
            panic!("{command:?}");
        };
        let error = OpError { kind: OpErrorKind::Other, message: "no".into() };
        let bound = OpOutput::Bound {
            port: if port == 0 { FREE + u16::try_from(op.0).unwrap() } else { port },
        };
        net.answered(op, &if family == Family::V6 { Ok(bound) } else { Err(error) });
        ports.extend((family == Family::V6).then(|| net.port_of(Role::Listen).or(net.udp_port())));
    }
    assert_eq!(ports.len(), 2);
    assert!(ports.iter().all(|port| *port == net.udp_port()), "{ports:?}");
}

#[test]
fn utp_shares_the_sockets_for_datagrams() {
    let both = ConnectionPolicy { utp: true, ..ConnectionPolicy::default() };
    let (_, net) =
        run_with(NetConfig { listen_port: Some(0), udp: true, ..NetConfig::default() }, both, true);
    for to in ["1.2.3.4:5", "[::1]:5"].map(|to| to.parse().unwrap()) {
        assert_eq!(net.utp_towards(to), net.udp_towards(to));
        assert!(net.utp_towards(to).is_some());
    }
    let (_, net) = run(NetConfig { listen_port: Some(0), udp: true, ..NetConfig::default() }, true);
    assert_eq!(net.utp_towards("1.2.3.4:5".parse().unwrap()), None);
    let (_, net) = run_with(
        NetConfig { listen_port: Some(0), udp: false, ..NetConfig::default() },
        both,
        true,
    );
    assert_eq!(net.utp_towards("1.2.3.4:5".parse().unwrap()), None);
}

#[test]
fn without_tcp_peers_connect_at_the_port_for_datagrams() {
    let only_utp = ConnectionPolicy { tcp: false, utp: true, ..ConnectionPolicy::default() };
    let (asked, net) = run_with(
        NetConfig { listen_port: Some(FREE), udp: true, ..NetConfig::default() },
        only_utp,
        true,
    );
    assert!(asked.iter().all(|(is_tcp, ..)| !is_tcp), "{asked:?}");
    assert_eq!((net.listen_port(), net.accepts_connections()), (Some(FREE), true));
    let (_, net) = run_with(
        NetConfig { listen_port: None, udp: true, ..NetConfig::default() },
        only_utp,
        true,
    );
    assert_eq!(
        (net.listen_port(), net.accepts_connections()),
        (None, false),
        "it dials, and listens nowhere"
    );
}

#[test]
fn only_configured_sockets_are_opened() {
    let (asked, net) = run(NetConfig::default(), true);
    assert!(asked.is_empty() && net.listen_port().is_none());
}
#[test]
fn groups_are_joined_anew_when_interfaces_change() {
    let config = NetConfig { listen_port: Some(TAKEN), udp: true, ..NetConfig::default() };
    let mut net = Net::new(config, ConnectionPolicy::default());
    net.join_groups();
    net.link();
    let open = |net: &mut Net, first: u64| {
        for op in first..first + 50 {
            let Some(command) = net.next_command(OpId(op)) else { break };
            let is_group = matches!(command, IoCommand::UdpBind { group: Some(_), .. });
            let port = if is_group { lsd::PORT } else { TAKEN };
            net.answered(OpId(op), &Ok(OpOutput::Bound { port }));
        }
    };
    open(&mut net, 1);
    let before: Vec<SocketId> = net.groups().map(|(socket, _)| socket).collect();
    assert_eq!(net.rejoin_groups(), before);
    assert_eq!(net.rejoin_groups(), [], "they are being joined");
    open(&mut net, 100);
    assert_eq!(net.groups().count(), 2);
    assert!(net.groups().all(|(socket, _)| !before.contains(&socket)));
    assert_eq!(net.udp_port(), Some(TAKEN), "other sockets stay");
}

#[test]
fn groups_are_joined_besides_other_sockets_and_may_fail() {
    for has_groups in [true, false] {
        let mut net = Net::new(
            NetConfig { listen_port: Some(TAKEN), udp: true, ..NetConfig::default() },
            ConnectionPolicy::default(),
        );
        net.join_groups();
        net.link();
        let mut groups = Vec::new();
        for op in 1..50 {
            let Some(command) = net.next_command(OpId(op)) else { break };
            let IoCommand::UdpBind { group: Some(group), port, .. } = command else {
                net.answered(OpId(op), &Ok(OpOutput::Bound { port: TAKEN }));
                continue;
            };
            groups.push(SocketAddr::new(group, port).to_string());
            let error = OpError { kind: OpErrorKind::Denied, message: "no".into() };
            let bound = OpOutput::Bound { port: lsd::PORT };
            net.answered(OpId(op), &if has_groups { Ok(bound) } else { Err(error) });
        }
        groups.sort();
        assert_eq!(groups, ["239.192.152.143:6771", "[ff15::efc0:988f]:6771"], "each once");
        assert_eq!(
            (net.groups().count(), net.udp_port()),
            (if has_groups { 2 } else { 0 }, Some(TAKEN))
        );
    }
}
