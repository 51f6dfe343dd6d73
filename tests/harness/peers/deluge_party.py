#!/usr/bin/python3
"""Deluge as one side of a transfer on loopback.

usage: deluge_party.py JSON
  torrent or link   path of the .torrent file, or the magnet link
  folder            the folder of its files
  config            an empty folder for Deluge's own files
  port              port for peers
  seeds             whether it has everything; then it is ready when the check is over
  encrypted         true: RC4 only; false: plain connections only
  utp               true: uTP only; false: TCP only
Prints "ready PORT". Ends at the end of its input. Trackers are its only source of peers.
"""

import base64
import json
import os
import pathlib
import sys
import threading

from deluge import component
from deluge.configmanager import set_config_dir

FORCED, DISABLED = 0, 2
RC4, EITHER = 1, 2


def preferences(what):
    policy = FORCED if what["encrypted"] else DISABLED
    return {
        "listen_interface": "127.0.0.1", "listen_ports": [what["port"], what["port"]],
        "listen_random_port": None, "listen_reuse_port": True, "random_port": False,
        "download_location": what["folder"], "dht": False, "lsd": False, "utpex": False,
        "upnp": False, "natpmp": False, "new_release_check": False, "send_info": False,
        "enc_in_policy": policy, "enc_out_policy": policy,
        "enc_level": RC4 if what["encrypted"] else EITHER,
        "stop_seed_at_ratio": False, "dont_count_slow_torrents": True,
    }


def end_with_input(reactor):
    sys.stdin.read()
    reactor.callFromThread(os._exit, 0)


def main():
    what = json.loads(sys.argv[1])
    config = pathlib.Path(what["config"])
    text = json.dumps({"file": 1, "format": 1}) + json.dumps(preferences(what))
    (config / "core.conf").write_text(text)
    set_config_dir(str(config))

    # Deluge chooses Twisted's reactor when it is imported, and reads its folder then.
    from deluge.core.daemon import Daemon
    from twisted.internet import reactor

    daemon = Daemon(standalone=True)
    daemon.start()
    component.start()
    daemon.core.session.apply_settings({
        "enable_incoming_tcp": not what["utp"], "enable_outgoing_tcp": not what["utp"],
        "enable_incoming_utp": what["utp"], "enable_outgoing_utp": what["utp"],
        "allow_multiple_connections_per_ip": True, "min_reconnect_time": 1,
    })

    def add():
        options = {"download_location": what["folder"]}
        if "link" in what:
            return daemon.core.add_torrent_magnet(what["link"], options)
        content = base64.b64encode(pathlib.Path(what["torrent"]).read_bytes())
        return daemon.core.add_torrent_file("its.torrent", content, options)

    def ready(torrent_id):
        torrent = component.get("TorrentManager")[torrent_id]
        if what["seeds"] and torrent.get_status(["state"])["state"] != "Seeding":
            reactor.callLater(0.05, ready, torrent_id)
            return
        print("ready", what["port"], flush=True)

    reactor.callWhenRunning(lambda: ready(add()))
    threading.Thread(target=end_with_input, args=(reactor,), daemon=True).start()
    reactor.run()


if __name__ == "__main__":
    main()
