#!/usr/bin/python3
"""Downloads a torrent with libtorrent from one peer, and prints how long that took.

usage: libtorrent_leech.py FILE.torrent FOLDER HOST PORT
Prints "done SECONDS CPU_SECONDS", from adding the torrent to its last verified piece. DHT, LSD,
PEX, UPnP, NAT-PMP and trackers are off; all other settings are libtorrent's defaults.
"""

import resource
import sys
import time

import libtorrent as lt

import quiet


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main():
    torrent, folder, host, port = sys.argv[1:5]
    session = lt.session(quiet.SETTINGS | quiet.DIALS_PLAINLY | {
        # libtorrent disconnects a peer that becomes a seed at the wrong moment: it sees one step too
        # late that it wants that peer's last piece. It must reconnect while the test still waits.
        "min_reconnect_time": 1,
    })
    params = quiet.of_file(torrent)
    start, used = time.monotonic(), cpu()
    handle = quiet.add(session, params, folder)
    handle.connect_peer((host, int(port)))
    quiet.wait_until_seeding(handle)
    print("done", time.monotonic() - start, cpu() - used, flush=True)


if __name__ == "__main__":
    main()
