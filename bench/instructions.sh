#!/bin/sh
# Counts the instructions of a training step with callgrind and compares them with bench/instructions.txt:
#
#     sh bench/instructions.sh           fails when a count grew by more than 3 %
#     sh bench/instructions.sh record    writes the counts down instead, for a change that is meant to cost more
#
# A step's count is the difference between two runs of different length, so that nothing of the start is in it. It is
# the same in every run of the same binary; another compiler or BLAS gives others. valgrind has no AVX-512, and OpenBLAS
# is told not to look for it.
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/.."

bench=build/release/bench/reel_bench
record=bench/instructions.txt
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# The instructions of COUNT steps, start and end included.
count() {
    if ! OPENBLAS_CORETYPE=Haswell OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 \
        valgrind --tool=callgrind --callgrind-out-file=/dev/null "$bench" --run "$1/threads:1" "$2" >"$log" 2>&1; then
        cat "$log" >&2
        exit 1
    fi
    sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$log"
}

failed=0
recorded=
for workload in notebook chain; do
    few=$(count "$workload" 20)
    many=$(count "$workload" 60)
    now=$(((many - few) / 40))
    recorded="$recorded$workload $now
"
    before=$(sed -n "s/^$workload //p" "$record" 2>/dev/null || true)
    printf '%-10s %9d instructions a step, recorded %s\n' "$workload" "$now" "${before:-nothing}"
    if [ "${1-}" != record ] && { [ -z "$before" ] || [ $((now * 100)) -gt $((before * 103)) ]; }; then
        failed=1
    fi
done
if [ "${1-}" = record ]; then
    printf '%s' "$recorded" >"$record"
elif [ "$failed" = 1 ]; then
    printf 'instructions: a step costs over 3 %% more than recorded in %s\n' "$record" >&2
    exit 1
fi
