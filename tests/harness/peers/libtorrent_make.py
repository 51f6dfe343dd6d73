#!/usr/bin/python3
"""Makes a .torrent file of a file or folder with libtorrent.

usage: libtorrent_make.py FOLDER NAME PIECE_LENGTH v1|hybrid|v2 FILE.torrent
Prints its info hashes, v1 and v2; "-" stands for a missing one.
"""

import sys

import libtorrent as lt

# libtorrent calls a v1 torrent with padding files between the files canonical.
FLAGS = {
    "v1": lt.create_torrent.v1_only | lt.create_torrent.canonical_files,
    "hybrid": 0,
    "v2": lt.create_torrent.v2_only,
}


def main():
    folder, name, piece_length, version, path = sys.argv[1:]
    files = lt.file_storage()
    lt.add_files(files, f"{folder}/{name}")
    torrent = lt.create_torrent(files, piece_size=int(piece_length), flags=FLAGS[version])
    lt.set_piece_hashes(torrent, folder)
    with open(path, "wb") as out:
        out.write(lt.bencode(torrent.generate()))
    hashes = lt.torrent_info(path).info_hashes()
    print(hashes.v1 if hashes.has_v1() else "-", hashes.v2 if hashes.has_v2() else "-")


if __name__ == "__main__":
    main()
