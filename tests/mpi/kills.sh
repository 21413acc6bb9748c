#!/bin/sh
# Ranks that save without end are killed at any moment, one of them or what started them: the last checkpoint loads, is
# whole, and is never an earlier one than before: sh kills.sh TIMES FOLDER PROGRAM COMMAND...
set -eu
times=$1 folder=$2 program=$3
shift 3
rm -rf "$folder"
before=0 saved=0
seed=$(date +%s)
for i in $(seq "$times"); do
    "$@" "$program" save "$folder" >/dev/null 2>&1 &
    started=$!
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    sleep "0.$((4 + seed / 65536 % 6))$((seed / 256 % 10))$((seed / 16 % 10))"
    ranks=$(pgrep -P "$started" || true)
    # One of them, or the one that started them.
    chosen=$(printf '%s\n' "$started" $ranks | awk -v n=$((seed / 1024)) '{ pid[NR] = $1 } END { print pid[n % NR + 1] }')
    kill -KILL "$chosen" 2>/dev/null || true
    # The others end by themselves within seconds. Open MPI 4.1.4 sometimes hangs when all of its ranks are dead.
    for pid in $ranks $started; do
        end=$(($(date +%s) + 10))
        while kill -0 "$pid" 2>/dev/null && [ "$(date +%s)" -lt $end ] && ! grep -q ') Z ' "/proc/$pid/stat" 2>/dev/null; do
            sleep 0.05
        done
        kill -KILL "$pid" 2>/dev/null || true
    done
    wait "$started" 2>/dev/null || true
    [ -e "$folder/latest" ] || continue
    now=$("$@" "$program" look "$folder") || { echo "kill $i: the last checkpoint does not load"; exit 1; }
    [ "$now" -ge "$before" ] || { echo "kill $i: checkpoint $now came after $before"; exit 1; }
    saved=$((saved + now - before))
    before=$now
done
[ "$saved" -gt 0 ] || { echo "nothing was ever saved"; exit 1; }
left=$(find "$folder" -mindepth 1 -maxdepth 1 | wc -l)
[ "$left" -le 4 ] || { echo "$left files and folders in $folder"; exit 1; }
echo "$times kills, $saved checkpoints, each of them whole"
