#!/bin/sh
# Installs what is missing, builds everything and runs every test: sh tests/run.sh [options for ctest]
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/.."

sh tests/setup.sh build test mpi data
echo 'tests: configuring and building build/release'
cmake --preset release >/dev/null
# On a terminal ninja shows how far it is; elsewhere it speaks up only when something is wrong.
if [ -t 1 ]; then quiet=; else quiet=--quiet; fi
cmake --build --preset release -- $quiet
echo 'tests: running'
exec ctest --preset release --output-on-failure --no-tests=error --parallel "$(nproc)" "$@"
