#!/bin/sh
# How large reel is, what the first step of a process takes, and what it holds then:
#
#     sh bench/footprint.sh [FOLDER]           fails when a limit below is passed, but for the time
#     sh bench/footprint.sh FOLDER --time      also when the first step ends more than 20 ms after the start
#     sh bench/footprint.sh FOLDER --record    writes the table of sizes to bench/footprint.txt
#
# FOLDER: where bench/ was built. The library is shared, stripped, and does not contain OpenBLAS. A loop is a function of
# src with all its clones (REEL_CLONES), each of which must have wide vectors: without them it is only size, and what was
# meant to be quick is not. Time runs until the end of the notebook's first step and is the median of 21
# starts, after one that brings the files into memory.
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/.."

bench=${1:-build/release/bench}
most_bytes=1460000
most_loop=16000
most_kib=40000
most_us=20000

stripped=$(mktemp)
table=$(mktemp)
trap 'rm -f "$stripped" "$table"' EXIT
strip -o "$stripped" "$bench/../libreel.so"
bytes=$(stat -c %s "$stripped")

# "BYTES FILE LOOP_BYTES LOOP" of each object file, and of its largest loop: code and constants, without unwind tables.
while read -r object; do
    file=${object##*/src/}
    nm -S -t d "$object" | awk -v file="${file%.o}" '
        NF == 4 && $3 ~ /[tTrRdD]/ {
            all += $2
            sub(/\..*/, "", $4)
            if ($3 ~ /[tT]/ && (size[$4] += $2) > largest) {
                largest = size[$4]
                loop = $4
            }
        }
        END { printf "%7d  %-32s %6d  %s\n", all, file, largest, loop }'
done <"$bench/objects.txt" | sort -rn >"$table"
loop=$(sort -rn -k 3 "$table" | sed -n '1s/^ *[0-9]* *[^ ]* *//p')
cat "$table"
[ "${2-}" != --record ] || cp "$table" bench/footprint.txt

# Clones without wide vectors, but for jumps to another one that is the same. pow is the C library's, and bytes that are
# not side by side are moved one by one.
scalar=$(xargs -d '\n' objdump -d --no-show-raw-insn <"$bench/objects.txt" | awk '
    function judge() {
        if (name != "" && n >= 10 && !wide && name !~ /^(pow_scalar|power)_|_word1\./)
            print name
    }
    /^[0-9a-f]+ <.*>:$/ { judge(); name = $2 ~ /arch_x86_64_v4>/ ? substr($2, 2, length($2) - 3) : ""; n = wide = 0 }
    name != "" { n++; wide = wide || /[yz]mm/ }
    END { judge() }')

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
printf 'largest loop          %8d bytes, at most %d: %s\n' "${loop%% *}" "$most_loop" "${loop##* }"
printf 'resident at its peak  %8d KiB, at most %d\n' "$kib" "$most_kib"
printf 'end of the first step %8d us after the start of the process, the aim is %d\n' "$us" "$most_us"

[ -z "$scalar" ] || { printf 'loops without wide vectors: %s\n' "$scalar"; exit 1; }
[ "$bytes" -le "$most_bytes" ] && [ "${loop%% *}" -gt 0 ] && [ "${loop%% *}" -le "$most_loop" ] || exit 1
[ "$kib" -gt 0 ] && [ "$kib" -le "$most_kib" ] || exit 1
[ "${2-}" != --time ] || [ "$us" -le "$most_us" ]
