#!/usr/bin/python3
"""A libtorrent client whose only way to find others is the DHT, on loopback.

usage: libtorrent_dht.py ROUTER node
       libtorrent_dht.py ROUTER seed FILE.torrent FOLDER
       libtorrent_dht.py ROUTER get MAGNET FOLDER
ROUTER is HOST:PORT of another node, or "none". Prints "ready PORT" once it listens (and seeds). Ends at the end of its input. Trackers, LSD, PEX, UPnP and NAT-PMP are off. All nodes share one address here, which libtorrent would
take for an attack, and announces come often, so that a test need not wait.
"""

import sys
import time

import libtorrent as lt

FLAGS = lt.torrent_flags.override_trackers | lt.torrent_flags.disable_lsd | lt.torrent_flags.disable_pex


def main():
    router, role, *args = sys.argv[1:]
    session = lt.session({
        # Plainly at the first try: an encrypted one that is refused costs seconds.
        "out_enc_policy": int(lt.enc_policy.disabled),
        "listen_interfaces": "127.0.0.1:0",
        "enable_dht": True,
        "dht_bootstrap_nodes": "" if router == "none" else router,
        "dht_restrict_routing_ips": False,
        "dht_restrict_search_ips": False,
        "dht_announce_interval": 2,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "enable_incoming_utp": False,
        "enable_outgoing_utp": False,
        "allow_multiple_connections_per_ip": True,
        "alert_mask": 0,
    })
    while session.listen_port() == 0:
        time.sleep(0.02)
    if role == "seed":
        params = lt.add_torrent_params()
        params.ti = lt.torrent_info(args[0])
    elif role == "get":
        params = lt.parse_magnet_uri(args[0])
    if role != "node":
        params.save_path = args[1]
        params.flags = (params.flags | FLAGS) & ~lt.torrent_flags.auto_managed & ~lt.torrent_flags.paused
        handle = session.add_torrent(params)
    if role == "seed":
        handle.replace_trackers([])
        while not handle.status().is_seeding:
            error = handle.status().errc
            if error.value() != 0:
                sys.exit(f"libtorrent: {error.message()}")
            time.sleep(0.02)
    print("ready", session.listen_port(), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
