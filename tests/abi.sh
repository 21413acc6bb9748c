#!/bin/sh
# Programs that were linked with the last tagged version run with this one: sh tests/abi.sh [TAG]
#
# abidiff compares the shared libraries, in float, of the tag (or any commit) and of the working tree. A function that is gone
# fails, unless the soname is another; of what else changed it prints a summary, for option structs may grow and objects that
# the headers do not define may change. 77 without a tag, or where abidiff cannot be had.
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/.."

skip() {
    echo "abi: $1"
    exit 77
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tag=${1:-$(git describe --tags --abbrev=0 2>/dev/null)} || skip 'there is no tag to compare with'
command -v abidiff >/dev/null || apt-get -q -y install --no-install-recommends abigail-tools >"$work/log" 2>&1 ||
    skip 'abidiff is not installed (abigail-tools)'

mkdir "$work/source"
git archive "$tag" | tar -x -C "$work/source"
# build FOLDER SOURCE: with what abidiff reads of types, and quickly.
build() {
    cmake -G Ninja -S "$2" -B "$1" -DCMAKE_BUILD_TYPE=Debug -DREEL_PROGRAMS=OFF -DREEL_TESTS=OFF -DREEL_BENCH=OFF >"$work/log" &&
        cmake --build "$1" --target reel_shared >>"$work/log" || { cat "$work/log"; exit 1; }
}
build "$work/old" "$work/source"
build "$work/new" .
old=$(readelf -d "$work/old/libreel.so" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
new=$(readelf -d "$work/new/libreel.so" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
if [ "$old" != "$new" ]; then
    echo "abi: $old has become $new"
    exit 0
fi

status=0
abidiff --drop-private-types --headers-dir1 "$work/source/include" --headers-dir2 include "$work/old/libreel.so" \
    "$work/new/libreel.so" >"$work/log" || status=$?
grep ' summary: ' "$work/log" || true
# Bits 0 and 1: abidiff did not work; bit 3: what changed cannot be compatible.
if [ $((status & 11)) != 0 ]; then
    cat "$work/log"
    echo "abi: programs that were linked with $tag do not run with this" >&2
    exit 1
fi
echo "abi: $new since $tag: nothing is gone"
