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


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main():
    torrent, folder, host, port = sys.argv[1:5]
    session = lt.session({
        # Plainly at the first try: an encrypted one that is refused costs seconds.
        "out_enc_policy": int(lt.enc_policy.disabled),
        # It parts from us when we part from the seeder, and is to come back while the test still waits.
        "min_reconnect_time": 1,
        "listen_interfaces": "127.0.0.1:0",
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "enable_incoming_utp": False,
        "enable_outgoing_utp": False,
        "alert_mask": 0,
    })
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(torrent)
    params.save_path = folder
    params.flags = (lt.torrent_flags.override_trackers | lt.torrent_flags.disable_dht
                    | lt.torrent_flags.disable_lsd | lt.torrent_flags.disable_pex)
    start, used = time.monotonic(), cpu()
    handle = session.add_torrent(params)
    handle.replace_trackers([])
    handle.connect_peer((host, int(port)))
    while not handle.status().is_seeding:
        error = handle.status().errc
        if error.value() != 0:
            sys.exit(f"libtorrent: {error.message()}")
        time.sleep(0.02)
    print("done", time.monotonic() - start, cpu() - used, flush=True)


if __name__ == "__main__":
    main()
