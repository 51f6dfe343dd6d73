#!/usr/bin/python3
"""Seeds torrents with libtorrent, on loopback, and says when it is ready.

usage: libtorrent_seed.py FILE.torrent FOLDER [wide]
In place of one file there may be a folder of them. Prints "ready PORT" once the content is checked and it seeds. Ends at the end of its input. DHT, LSD, PEX, UPnP and
NAT-PMP are off, and it announces nowhere. There is no upload cap here: the harness' proxy is the slow line. Buffers are
small, so that requests wait where a CANCEL still helps; "wide" has them as libtorrent wants them for speed.
"""

import pathlib
import sys
import time

import libtorrent as lt

NARROW = {"send_socket_buffer_size": 32768, "send_buffer_watermark": 32768, "send_buffer_low_watermark": 16384}


def add(session, torrent, folder):
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(str(torrent))
    params.save_path = folder
    params.flags = (lt.torrent_flags.override_trackers | lt.torrent_flags.disable_dht
                    | lt.torrent_flags.disable_lsd | lt.torrent_flags.disable_pex)
    handle = session.add_torrent(params)
    handle.replace_trackers([])
    return handle


def main():
    torrent, folder = sys.argv[1:3]
    wide = sys.argv[3:] == ["wide"]
    session = lt.session((lt.high_performance_seed() if wide else NARROW) | {
        "listen_interfaces": "127.0.0.1:0",
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "enable_incoming_utp": False,
        "enable_outgoing_utp": False,
        "allow_multiple_connections_per_ip": True,
        "unchoke_slots_limit": -1,
        "alert_mask": 0,
    })
    path = pathlib.Path(torrent)
    handles = [add(session, file, folder) for file in (sorted(path.glob("*.torrent")) if path.is_dir() else [path])]
    for handle in handles:
        while not handle.status().is_seeding:
            error = handle.status().errc
            if error.value() != 0:
                sys.exit(f"libtorrent: {error.message()}")
            time.sleep(0.02)
    while session.listen_port() == 0:
        time.sleep(0.02)
    print("ready", session.listen_port(), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
