#!/usr/bin/python3
"""Seeds torrents with libtorrent on loopback.

usage: libtorrent_seed.py FILE.torrent FOLDER [wide]
FILE.torrent may be a folder of such files. Prints "ready PORT" once the content is checked and it
seeds. Ends at the end of its input. DHT, LSD, PEX, UPnP, NAT-PMP and trackers are off. It has no
upload limit, because the harness's proxy limits the rate. Buffers are small, so that requests wait
where a CANCEL helps; "wide" uses libtorrent's buffers for speed.
"""

import pathlib
import sys

import libtorrent as lt

import quiet

NARROW = {
    "send_socket_buffer_size": 32768,
    "send_buffer_watermark": 32768,
    "send_buffer_low_watermark": 16384,
}


def main():
    torrent, folder = sys.argv[1:3]
    wide = sys.argv[3:] == ["wide"]
    session = lt.session(quiet.SETTINGS | (lt.high_performance_seed() if wide else NARROW) | {
        "allow_multiple_connections_per_ip": True,
        "unchoke_slots_limit": -1,
    })
    path = pathlib.Path(torrent)
    files = sorted(path.glob("*.torrent")) if path.is_dir() else [path]
    for handle in [quiet.add(session, quiet.of_file(file), folder) for file in files]:
        quiet.wait_until_seeding(handle)
    quiet.serve(session)


if __name__ == "__main__":
    main()
