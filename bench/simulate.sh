#!/bin/sh
# Reductions of a dense gradient by 2 to 256 ranks that are simulated on this machine (SimGrid's SMPI, Debian's libsimgrid-dev),
# on a network of so many bits a second: sh bench/simulate.sh [ELEMENTS [GBIT]]. After a build of the preset release.
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/.."

elements=${1:-928000} gigabits=${2:-100} latency=2e-6
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bytes=$(awk "BEGIN { print $gigabits * 1e9 / 8 }")
cat >"$work/network.xml" <<XML
<?xml version='1.0'?>
<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">
<platform version="4.1">
  <cluster id="c" prefix="n" suffix="" radical="0-255" speed="100Gf" bw="${bytes}Bps" lat="${latency}s"/>
</platform>
XML
seq 0 255 | sed 's/^/n/' >"$work/hosts"
smpicc -std=c11 -D_GNU_SOURCE -O2 -ffp-contract=off -Iinclude -Isrc/mpi -o "$work/simulated" bench/simulated.c src/mpi/*.c \
    build/release/libreel.a -lopenblas -lgomp -lz -lm >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
echo '| ranks | ms | bound | ratio |'
echo '|---|---|---|---|'
for ranks in 2 4 16 64 256; do
    smpirun -np $ranks -platform "$work/network.xml" -hostfile "$work/hosts" --cfg=smpi/host-speed:100Gf \
        --cfg=smpi/coll-selector:mpich --cfg=smpi/grow-injected-times:no --cfg=smpi/test:1e-6 --cfg=smpi/iprobe:1e-6 \
        --log=root.thresh:error "$work/simulated" "$elements" "$bytes" "$latency"
done
