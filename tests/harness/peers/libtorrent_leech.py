#!/usr/bin/python3
"""Downloads a torrent with libtorrent from one peer, and says how long that took.

usage: libtorrent_leech.py FILE.torrent FOLDER HOST PORT
Prints "done SECONDS CPU_SECONDS", counted from adding the torrent to its last piece verified. DHT, LSD, PEX, UPnP and
NAT-PMP are off, and it announces nowhere; all else is as libtorrent comes.
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
        # It hangs up on who becomes a seed while it has all that the other had: that the last piece is of interest it sees one step too
        # late. It is to come back while the test still waits.
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
