#!/bin/sh
# Installs the Debian packages named as arguments that are missing; silent where none is. Services that
# packages bring are not started.
set -eu

missing=
for package in "$@"; do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
        missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    as_root=
elif command -v sudo >/dev/null; then
    as_root=sudo
else
    echo "These packages are missing; install them as root:$missing" >&2
    exit 1
fi

echo "Installing$missing"
policy=/usr/sbin/policy-rc.d
made_policy=
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod 755 "$policy"
    made_policy=yes
fi
status=0
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
{
    $as_root apt-get -qq update &&
        $as_root apt-get -qq install -y --no-install-recommends $missing
} </dev/null >/tmp/ferula-install.$$ 2>&1 || status=$?
[ -z "$made_policy" ] || $as_root rm -f "$policy"
[ "$status" = 0 ] || tail -n 20 /tmp/ferula-install.$$ >&2
rm -f /tmp/ferula-install.$$
exit "$status"
