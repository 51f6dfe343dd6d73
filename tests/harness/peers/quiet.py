"""Settings and functions that the libtorrent scripts share.

SETTINGS turn off every source of peers, and ALONE does so for one torrent. A script turns on what
its test needs.
"""

import sys
import time

import libtorrent as lt

SETTINGS = {
    "listen_interfaces": "127.0.0.1:0",
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_incoming_utp": False,
    "enable_outgoing_utp": False,
    "alert_mask": 0,
}
# Dials plainly at first, because a refused encrypted connection costs seconds.
DIALS_PLAINLY = {"out_enc_policy": int(lt.enc_policy.disabled)}
# All nodes share one address here, which libtorrent would take for an attack. Announces are quick.
DHT_OF_ONE_ADDRESS = {
    "dht_restrict_routing_ips": False,
    "dht_restrict_search_ips": False,
    "dht_announce_interval": 2,
}

ALONE = (lt.torrent_flags.override_trackers | lt.torrent_flags.disable_dht
         | lt.torrent_flags.disable_lsd | lt.torrent_flags.disable_pex)


def of_file(path):
    """The parameters of a .torrent file."""
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(str(path))
    return params


def add(session, params, folder, flags=ALONE):
    """Adds a torrent and starts it at once."""
    params.save_path = folder
    params.flags = (params.flags | flags) & ~lt.torrent_flags.auto_managed & ~lt.torrent_flags.paused
    handle = session.add_torrent(params)
    if flags & lt.torrent_flags.override_trackers:
        handle.replace_trackers([])
    return handle


def wait_until_seeding(handle):
    while not handle.status().is_seeding:
        error = handle.status().errc
        if error.value() != 0:
            sys.exit(f"libtorrent: {error.message()}")
        time.sleep(0.02)


def serve(session):
    """Prints "ready PORT" once it listens, and waits for the end of the input."""
    while session.listen_port() == 0:
        time.sleep(0.02)
    print("ready", session.listen_port(), flush=True)
    sys.stdin.read()
