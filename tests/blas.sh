#!/bin/sh
# reel on an OpenBLAS that is not Debian's, whose functions have other names: PyPI's scipy-openblas32, the newest.
#   sh tests/blas.sh [FOLDER-OF-THE-PACKAGE]
# Without a folder pip fetches it; where that cannot be, the result is 77.
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ $# -gt 0 ]; then
    package=$1
else
    python3 -m pip -q install --no-deps --target "$work/python" scipy-openblas32 >"$work/log" 2>&1 ||
        { echo 'blas: pip cannot fetch scipy-openblas32'; exit 77; }
    package=$work/python/scipy_openblas32
fi

export PKG_CONFIG_PATH="$package/lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
cmake -G Ninja -S . -B build/blas -DCMAKE_BUILD_TYPE=Release -DREEL_BLAS=scipy-openblas -DREEL_BENCH=OFF >"$work/log"
cmake --build build/blas --target cgan reel_shared kern_gemm kern_gemm_f64 ops_values ops_registry_f64 core_backward \
    models_training >>"$work/log" || { cat "$work/log"; exit 1; }
! readelf -d build/blas/libreel.so | grep -q 'NEEDED.*libopenblas' || { echo 'blas: another one was linked' >&2; exit 1; }
readelf -d build/blas/libreel.so | grep -q 'NEEDED.*libscipy_openblas' || { echo 'blas: it was not linked' >&2; exit 1; }
ctest --test-dir build/blas --output-on-failure --no-tests=error \
    -R '^(kern_gemm|kern_gemm_f64|ops_values|ops_registry_f64|core_backward|models_training)$'

# The other two ways to name it.
for way in "-DREEL_BLAS=OpenBLAS -DOpenBLAS_DIR=$package/lib/cmake/openblas" "-DREEL_BLAS=$package/lib/libscipy_openblas.so"; do
    # shellcheck disable=SC2086
    cmake -G Ninja -S . -B "$work/way" --fresh -DCMAKE_BUILD_TYPE=Debug -DREEL_TESTS=OFF -DREEL_BENCH=OFF $way \
        -DREEL_BLAS_PREFIX=scipy_ >"$work/log"
    cmake --build "$work/way" --target cgan notebook >>"$work/log" || { cat "$work/log"; exit 1; }
    "$work/way/models/notebook" --seed 7 --json | cmp - tests/golden/notebook.json
done
echo "products, operations and training on OpenBLAS $(pkg-config --modversion scipy-openblas), found in three ways"
