#!/usr/bin/python3
"""libtorrent as one side of a transfer on loopback, told how it is to talk and where it may look for others.

usage: libtorrent_party.py JSON
  torrent or link   what it is about
  folder            where its files lie, or are to lie
  seeds             whether it has everything: it is ready when that is checked
  address           of this machine, to listen at and to dial from
  encrypted         talk RC4 or not at all; else plainly or not at all
  utp               talk uTP or not at all; else TCP or not at all
  dht               HOST:PORT of a node, or null for no DHT
  pex               exchange addresses with peers
  gives             false: unchoke nobody
  peers             [[HOST, PORT], …] to dial
Prints "ready PORT". Ends at the end of its input. Of others it hears nowhere else than it was told, and from the trackers and web seeds of its torrent.
"""

import json
import sys
import time

import libtorrent as lt


def settings(what):
    policy = int(lt.enc_policy.forced if what["encrypted"] else lt.enc_policy.disabled)
    return {
        "out_enc_policy": policy,
        "in_enc_policy": policy,
        "allowed_enc_level": int(lt.enc_level.rc4 if what["encrypted"] else lt.enc_level.both),
        "enable_incoming_tcp": not what["utp"],
        "enable_outgoing_tcp": not what["utp"],
        "enable_incoming_utp": what["utp"],
        "enable_outgoing_utp": what["utp"],
        "listen_interfaces": f"[{what['address']}]:0" if ":" in what["address"] else f"{what['address']}:0",
        # Transmission takes one connection from each address.
        "outgoing_interfaces": what["address"],
        "enable_dht": what["dht"] is not None,
        "dht_bootstrap_nodes": what["dht"] or "",
        # All nodes share one address here, which libtorrent would take for an attack.
        "dht_restrict_routing_ips": False,
        "dht_restrict_search_ips": False,
        "dht_announce_interval": 2,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "allow_multiple_connections_per_ip": True,
        "min_reconnect_time": 1,
        "unchoke_slots_limit": -1 if what["gives"] else 0,
        "alert_mask": 0,
    }


def main():
    what = json.loads(sys.argv[1])
    session = lt.session(settings(what))
    while session.listen_port() == 0:
        time.sleep(0.02)
    if "link" in what:
        params = lt.parse_magnet_uri(what["link"])
    else:
        params = lt.add_torrent_params()
        params.ti = lt.torrent_info(what["torrent"])
    params.save_path = what["folder"]
    flags = params.flags | lt.torrent_flags.disable_lsd
    flags &= ~lt.torrent_flags.auto_managed & ~lt.torrent_flags.paused
    if not what["pex"]:
        flags |= lt.torrent_flags.disable_pex
    if what["dht"] is None:
        flags |= lt.torrent_flags.disable_dht
    params.flags = flags
    handle = session.add_torrent(params)
    while what["seeds"] and not handle.status().is_seeding:
        error = handle.status().errc
        if error.value() != 0:
            sys.exit(f"libtorrent: {error.message()}")
        time.sleep(0.02)
    for host, port in what["peers"]:
        handle.connect_peer((host, port))
    print("ready", session.listen_port(), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
