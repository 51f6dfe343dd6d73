#!/usr/bin/python3
"""libtorrent as one side of a transfer on loopback.

usage: libtorrent_party.py JSON
  torrent or link   path of the .torrent file, or the magnet link
  folder            the folder of its files
  seeds             whether it has everything; then it is ready when the check is over
  address           address of this machine, to listen at and to dial from
  encrypted         true: RC4 only; false: plain connections only
  utp               true: uTP only; false: TCP only
  dht               HOST:PORT of a node, or null for no DHT
  pex               exchange addresses with peers
  gives             false: unchoke nobody
  peers             [[HOST, PORT], …] to dial
Prints "ready PORT". Ends at the end of its input. Other sources of peers are off, except the
trackers and web seeds of the torrent.
"""

import json
import sys

import libtorrent as lt

import quiet


def settings(what):
    address = what["address"]
    policy = int(lt.enc_policy.forced if what["encrypted"] else lt.enc_policy.disabled)
    return quiet.SETTINGS | quiet.DHT_OF_ONE_ADDRESS | {
        "out_enc_policy": policy,
        "in_enc_policy": policy,
        "allowed_enc_level": int(lt.enc_level.rc4 if what["encrypted"] else lt.enc_level.both),
        "enable_incoming_tcp": not what["utp"],
        "enable_outgoing_tcp": not what["utp"],
        "enable_incoming_utp": what["utp"],
        "enable_outgoing_utp": what["utp"],
        "listen_interfaces": f"[{address}]:0" if ":" in address else f"{address}:0",
        # Transmission takes one connection from each address.
        "outgoing_interfaces": address,
        "enable_dht": what["dht"] is not None,
        "dht_bootstrap_nodes": what["dht"] or "",
        "allow_multiple_connections_per_ip": True,
        "min_reconnect_time": 1,
        "unchoke_slots_limit": -1 if what["gives"] else 0,
    }


def main():
    what = json.loads(sys.argv[1])
    session = lt.session(settings(what))
    params = lt.parse_magnet_uri(what["link"]) if "link" in what else quiet.of_file(what["torrent"])
    flags = lt.torrent_flags.disable_lsd
    if not what["pex"]:
        flags |= lt.torrent_flags.disable_pex
    if what["dht"] is None:
        flags |= lt.torrent_flags.disable_dht
    handle = quiet.add(session, params, what["folder"], flags)
    if what["seeds"]:
        quiet.wait_until_seeding(handle)
    for host, port in what["peers"]:
        handle.connect_peer((host, port))
    quiet.serve(session)


if __name__ == "__main__":
    main()
