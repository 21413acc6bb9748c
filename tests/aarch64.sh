#!/bin/sh
# reel on 64-bit ARM: cross-compiled with Debian's compiler, and the tests of operations, of products and of a training run in
# qemu, in float: sh tests/aarch64.sh [TEST...]
#
# Libraries come from Debian's arm64 packages, unpacked into build/aarch64-root; nothing but compilers and qemu is installed on
# this machine (as root). Where packages cannot be had the result is 77.
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/.."

skip() {
    echo "aarch64: $1"
    exit 77
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
tools='gcc-aarch64-linux-gnu g++-aarch64-linux-gnu qemu-user-static'
if ! dpkg-query -W $tools >/dev/null 2>&1; then
    [ "$(id -u)" = 0 ] || skip "only root can install $tools"
    apt-get -q -y install --no-install-recommends $tools >"$log" 2>&1 || skip "apt-get cannot install $tools"
fi

# A folder of apt's own, so that this machine's packages stay as they are.
root=$PWD/build/aarch64-root
if [ ! -d "$root" ]; then
    apt=$PWD/build/aarch64-apt
    mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial"
    : >"$apt/status"
    arm64_apt() {
        apt-get -q -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o Dir::State="$apt/state" \
            -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" -o Debug::NoLocking=1 "$@"
    }
    arm64_apt update >"$log" 2>&1 || true
    arm64_apt install -y --no-install-recommends --download-only libc6-dev libgomp1 libopenblas-pthread-dev librandom123-dev \
        zlib1g-dev libpng-dev >>"$log" 2>&1 || skip 'the arm64 packages cannot be had'
    for package in "$apt"/cache/archives/*.deb; do
        dpkg-deb -x "$package" "$root.new"
    done
    mv "$root.new" "$root"
    rm -rf "$apt"
fi

cmake -G Ninja -S . -B build/aarch64 -DCMAKE_TOOLCHAIN_FILE="$PWD/cmake/aarch64-linux-gnu.cmake" -DREEL_SYSROOT="$root" \
    -DCMAKE_BUILD_TYPE=Release -DREEL_WERROR=ON -DREEL_BENCH=OFF >"$log" 2>&1 || { cat "$log"; exit 1; }
tests=${*:-ops_values kern_random kern_gemm core_backward kern_functions models_training ops_registry}
# shellcheck disable=SC2086
cmake --build build/aarch64 --target $tests reel_shared notebook cgan >"$log" 2>&1 || { cat "$log"; exit 1; }
readelf -h build/aarch64/libreel.so | grep -q AArch64
emulated() {
    OMP_WAIT_POLICY=passive qemu-aarch64-static -L "$root" -E LD_LIBRARY_PATH=/usr/lib/aarch64-linux-gnu/openblas-pthread "$@"
}
for test in $tests; do
    emulated "build/aarch64/tests/$test" >"$log" || { cat "$log"; exit 1; }
    echo "aarch64: $test: $(tail -n 1 "$log")"
done
# The numbers of PyTorch, on a processor that is not the one they were written on.
emulated build/aarch64/models/notebook --seed 7 --json | cmp - tests/golden/notebook.json
echo 'aarch64: operations, products, training and the notebook give in qemu what they have to'
