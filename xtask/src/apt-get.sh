# apt-get, with a policy that keeps dpkg from starting the services of what it installs (/usr/sbin/policy-rc.d, see invoke-rc.d(8)).
#
#     sh -c "$THIS" NAME POLICY ARGUMENTS...
#
# POLICY is the path of that file. A policy of the administrator's stays, and decides. Ours goes when apt-get has ended; should this shell be
# killed first, what it leaves behind forbids nothing: it counts only while this process lives, and the next run replaces it.
policy=$1
shift
mark='# Made by "cargo xtask" of JSTorrent.'
if [ "$(sed -n 2p "$policy" 2>/dev/null)" = "$mark" ]; then
    rm -f "$policy"
fi
# With -C the shell makes the file or fails: it never writes into one that is there.
if (set -C; printf '%s\n' '#!/bin/sh' "$mark" "[ ! -d /proc/$$ ] || exit 101" > "$policy") 2>/dev/null; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap 'exit 129' HUP
    chmod 755 "$policy"
elif [ ! -x "$policy" ]; then
    echo "$policy can't be made: services would be started" >&2
    exit 1
fi
apt-get "$@"
