#!/bin/sh
# Steps with spread tables (bench/tables.c) on a network that is simulated, in SimGrid's MPI: sh bench/simulate.sh RANKS...
#
# Needs libsimgrid-dev, build/release, and for each number of ranks memory for the whole table and the ranks' steps. Every rank
# computes on this machine, one after the other; messages take the time that a network of 100 Gb/s with 1 microsecond of latency
# takes. ROWS (10^7) and STEPS (12) may be in the environment.
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

cat >"$work/network.xml" <<'X'
<?xml version='1.0'?>
<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">
<platform version="4.1">
  <cluster id="c" prefix="n" suffix="" radical="0-255" speed="100Gf" bw="12.5GBps" lat="1us" bb_bw="10000GBps" bb_lat="1us"/>
</platform>
X
seq 0 255 | sed 's/^/n/' >"$work/hosts"
# The compiler of SimGrid makes a library of the program; reel itself is taken as it is.
smpicc -std=c11 -D_GNU_SOURCE -O2 -Iinclude -Isrc/mpi bench/tables.c src/mpi/*.c build/release/libreel.a -o "$work/tables" \
    -lopenblas -lgomp -lz -lm
for ranks in "$@"; do
    # A test for a message that has not come costs a microsecond, each time the same.
    smpirun -np "$ranks" -platform "$work/network.xml" -hostfile "$work/hosts" --cfg=smpi/host-speed:100Gf \
        --cfg=smpi/coll-selector:mpich --cfg=smpi/grow-injected-times:no --cfg=smpi/test:1e-6 --log=root.t:error \
        "$work/tables" spread "${ROWS:-10000000}" "${STEPS:-12}"
done
