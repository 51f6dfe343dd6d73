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

import libtorrent as lt

import quiet


def settings(what):
    policy = int(lt.enc_policy.forced if what["encrypted"] else lt.enc_policy.disabled)
    return quiet.SETTINGS | quiet.DHT_OF_ONE_ADDRESS | {
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
