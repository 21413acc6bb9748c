#!/bin/sh
# The Debian packages: made, judged by lintian, and installed, used and removed in a clean Debian: sh tests/package.sh
#
# Needs root, lintian and debootstrap, which it installs; where that, or Debian, cannot be had, the result is 77. What
# debootstrap fetched is kept in build/debian.tar.
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/.."

skip() {
    echo "package: $1"
    exit 77
}

work=$(mktemp -d)
trap 'umount "$work/root/proc" 2>/dev/null || true; rm -rf "$work"' EXIT
[ "$(id -u)" = 0 ] || skip 'only root can make a Debian root'
for tool in lintian debootstrap dpkg-dev; do
    dpkg-query -W -f='${db:Status-Status}\n' $tool 2>/dev/null | grep -qx installed ||
        apt-get -q -y install --no-install-recommends $tool >"$work/log" 2>&1 || skip "apt-get cannot install $tool"
done

sh tests/setup.sh mpi >"$work/log" 2>&1 || skip 'apt-get cannot install MPI'
cmake --preset package >"$work/log"
cmake --build --preset package >"$work/log" || { cat "$work/log"; exit 1; }
rm -f build/package/*.deb
(cd build/package && cpack -G DEB) >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
lintian --allow-root --fail-on error build/package/*.deb

# shellcheck disable=SC1091
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
mirror=$(sed -n 's/^\(URIs:\|deb\) *//p' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -o 'http[^ ]*/debian$' | head -n 1)
if [ ! -f build/debian.tar ]; then
    [ -n "$mirror" ] || skip 'this machine has no source of Debian packages'
    debootstrap --variant=minbase "$suite" "$work/root" "$mirror" >"$work/log" 2>&1 ||
        skip 'debootstrap cannot make a root'
    tar -C "$work/root" -cf build/debian.tar .
else
    mkdir "$work/root"
    tar -C "$work/root" -xf build/debian.tar
fi
mount -t proc proc "$work/root/proc" 2>/dev/null || true
cp /etc/resolv.conf "$work/root/etc/"
inside() {
    chroot "$work/root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive \
        ${http_proxy:+http_proxy="$http_proxy"} "$@"
}
list() {
    (cd "$work/root" && find usr etc -path '*reel*' -o -name cgan -o -name 'cgan.*' | sort)
}

cp build/package/*.deb tests/install/consumer.c tests/install/watcher.c tests/golden/notebook.json "$work/root/tmp/"
before=$(list)
inside apt-get -q update >"$work/log" 2>&1 || skip 'apt-get does not work in the root'
# The shared libraries and the programs alone, first: nothing of what is for development comes with them.
inside sh -ec 'apt-get -q -y install --no-install-recommends /tmp/libreel_*.deb /tmp/libreel-watch_*.deb /tmp/reel-programs_*.deb
    notebook --seed 7 --json | cmp - /tmp/notebook.json
    cgan train --help' >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
[ ! -e "$work/root/usr/include/reel" ] || { echo 'package: the headers came along' >&2; exit 1; }
inside sh -ec 'apt-get -q -y install --no-install-recommends gcc libc6-dev pkgconf /tmp/libreel-dev_*.deb
    cd /tmp
    gcc consumer.c $(pkg-config --cflags --libs reel) -o shared && ./shared
    gcc consumer.c $(pkg-config --cflags --libs reel_f64) -o double && ./double
    gcc consumer.c $(pkg-config --cflags --static --libs reel | sed "s/-lreel/-l:libreel.a/") -o static
    apt-get -q -y install --no-install-recommends /tmp/libreel-watch-dev_*.deb
    gcc watcher.c $(pkg-config --cflags --libs reel_watch) -o watcher && ./watcher run
    [ -f run/report.html ]
    apt-get -q -y remove libreel libreel-dev libreel-watch libreel-watch-dev reel-programs
    ./static' >"$work/log" 2>&1 || { tail -n 40 "$work/log"; exit 1; }
grep -c '32 bits' "$work/log" | grep -qx 3 && grep -q '64 bits' "$work/log"
after=$(list)
[ "$before" = "$after" ] || { printf 'package: removing leaves\n%s\n' "$after" >&2; exit 1; }
echo "package: $(cd build/package && echo *.deb): installed, used and removed in a clean Debian $suite"
