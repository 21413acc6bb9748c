#!/bin/sh
# From a fresh clone to pictures of clothes: installs what is missing, builds, and trains the conditional GAN on
# Fashion-MNIST for two minutes. Arguments are passed on: sh models/demo.sh --minutes 10 --out DIR
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)

out=$root/build/demo
overwrite=--overwrite # what the demo made before; never what it was given
previous=
for word in "$@"; do
    [ "$previous" != --out ] || out=$word overwrite=
    case $word in --out=*) out=${word#--out=} overwrite= ;; esac
    previous=$word
done

sh "$root/tests/setup.sh" build data
echo 'demo: configuring and building build/release'
if [ -t 1 ]; then quiet=; else quiet=--quiet; fi
(
    cd "$root"
    cmake --preset release >/dev/null
    # The tests, which need more packages, are left alone.
    cmake --build --preset release --target cgan -- $quiet
)

echo 'demo: training (Ctrl-C ends it early and keeps what it has learned)'
# The interrupt is for cgan, which ends by itself and leaves its pictures to be named below.
trap : INT
status=0
"$root/build/release/models/cgan" train --minutes 2 --recipe short --threads "$(nproc)" --out "$root/build/demo" $overwrite "$@" || status=$?

# 130 is what an interrupted program usually returns.
case $status in 0 | 130) ;; *) exit "$status" ;; esac

# shellcheck disable=SC2012
newest=$(ls -t "$out"/samples-*.png 2>/dev/null | head -n 1)
if [ -n "$newest" ]; then
    printf 'demo: pictures are in %s, one row a class; the newest is %s, and training.png plays all\n' "$out" "$newest"
fi
exit "$status"
