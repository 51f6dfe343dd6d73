#!/usr/bin/python3
"""A libtorrent client on loopback whose only source of peers is the DHT.

usage: libtorrent_dht.py ROUTER node
       libtorrent_dht.py ROUTER seed FILE.torrent FOLDER
       libtorrent_dht.py ROUTER get MAGNET FOLDER
ROUTER is HOST:PORT of another node, or "none". Prints "ready PORT" once it listens (and seeds).
Ends at the end of its input. Trackers, LSD, PEX, UPnP and NAT-PMP are off.
"""

import sys

import libtorrent as lt

import quiet


def main():
    router, role, *args = sys.argv[1:]
    session = lt.session(quiet.SETTINGS | quiet.DIALS_PLAINLY | quiet.DHT_OF_ONE_ADDRESS | {
        "enable_dht": True,
        "dht_bootstrap_nodes": "" if router == "none" else router,
        "allow_multiple_connections_per_ip": True,
    })
    if role != "node":
        params = quiet.of_file(args[0]) if role == "seed" else lt.parse_magnet_uri(args[0])
        handle = quiet.add(session, params, args[1], quiet.ALONE & ~lt.torrent_flags.disable_dht)
        if role == "seed":
            quiet.wait_until_seeding(handle)
    quiet.serve(session)


if __name__ == "__main__":
    main()
