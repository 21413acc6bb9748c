#!/bin/sh
# How large reel is, what the first step of a process takes, and what it holds then:
#
#     sh bench/footprint.sh [FOLDER]           fails when the library has more than 1 MB or the process more than 40 MB
#     sh bench/footprint.sh FOLDER --time      also when the first step ends more than 20 ms after the start
#
# FOLDER: where bench/ was built. The library is shared, stripped, and does not contain OpenBLAS. Time runs until the end
# of the notebook's first step and is the median of 21 starts, after one that brings the files into memory.
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/.."

bench=${1:-build/release/bench}
most_bytes=1000000
most_kib=40000
most_us=20000

stripped=$(mktemp)
trap 'rm -f "$stripped"' EXIT
strip -o "$stripped" "$bench/libreel_measured.so"
bytes=$(stat -c %s "$stripped")

# "MICROSECONDS KIB" of one start.
start() {
    before=$(date +%s%N)
    after=$("$bench/cold_start")
    echo "$(((${after% *} - before) / 1000)) ${after#* }"
}

start >/dev/null
starts=$(for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21; do start; done)
us=$(echo "$starts" | sort -n | sed -n '11s/ .*//p')
kib=$(echo "$starts" | sort -n -k 2 | sed -n '$s/.* //p')
printf 'stripped library      %8d bytes, at most %d\n' "$bytes" "$most_bytes"
printf 'resident at its peak  %8d KiB, at most %d\n' "$kib" "$most_kib"
printf 'end of the first step %8d us after the start of the process, the aim is %d\n' "$us" "$most_us"

[ "$bytes" -le "$most_bytes" ] && [ "$kib" -gt 0 ] && [ "$kib" -le "$most_kib" ] || exit 1
[ "${2-}" != --time ] || [ "$us" -le "$most_us" ]
