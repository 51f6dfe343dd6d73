# Runs apt-get under a policy that keeps dpkg from starting the services of installed packages
# (/usr/sbin/policy-rc.d, see invoke-rc.d(8)).
#
#     sh -c "$THIS" NAME POLICY ARGUMENTS...
#
# POLICY is the path of the policy. A policy of the administrator's stays and decides. This
# script's policy is deleted when apt-get has ended. If this shell is killed first, the policy that
# it leaves forbids nothing, since it counts only while this shell lives; the next run replaces it.
policy=$1
shift
mark='# Made by "cargo xtask" of JSTorrent.'
if [ "$(sed -n 2p "$policy" 2>/dev/null)" = "$mark" ]; then
    rm -f "$policy"
fi
forbid="[ ! -d /proc/$$ ] || exit 101"
# With -C the shell makes the file or fails: it never overwrites an existing one.
if (set -C; printf '%s\n' '#!/bin/sh' "$mark" "$forbid" > "$policy") 2>/dev/null; then
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
