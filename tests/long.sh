#!/bin/sh
# The reliability suite at its full length, about an hour and a half on two cores: sh tests/long.sh [LABEL...]
#
# Labels: those of tests/README.md; without one, all of them. Ends with a table: what, how many and found, how long.
# FUZZ_MINUTES says how many minutes of a processor each reader is fuzzed for (10).
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/.."

minutes=${FUZZ_MINUTES:-10}
names=${*:-mutants system_calls calls contexts valgrind kills modes fuzz mpi blas aarch64 package long}
log=$(mktemp)
table=$(mktemp)
trap 'rm -f "$log" "$table"' EXIT
failed=0

# run WHAT COMMAND...: a row with the last line of what it says.
run() {
    what=$1 start=$(date +%s)
    shift
    status=0
    "$@" >"$log" 2>&1 || status=$?
    if [ $status = 0 ] || [ $status = 77 ]; then found=$(grep -v '^ *$' "$log" | tail -n 2 | paste -sd ' '); else
        failed=1 found='FAILED'
        cat "$log"
    fi
    printf '| %s | %s | %d s |\n' "$what" "$found" $(($(date +%s) - start)) | tee -a "$table"
}

# Seconds of a processor that the commands so far took; of a subshell they would be its own.
processor_seconds() {
    times >"$log.times"
    seconds=$(awk 'NR == 2 { gsub(/[ms]/, " "); print int($1 * 60 + $2 + $3 * 60 + $4) }' "$log.times")
    rm -f "$log.times"
}

# fuzz READER: in turns of a minute, as long as processor time is left; what a turn finds is kept for the next.
fuzz() {
    inputs=0
    processor_seconds
    end=$((seconds + minutes * 60))
    while [ "$seconds" -lt "$end" ]; do
        build/fuzz/tests/fuzz_"$1" -max_total_time=60 -rss_limit_mb=4096 -timeout=20 -print_final_stats=1 \
            "$work/$1" "tests/fuzz/corpus/$1" >"$log.fuzz" 2>&1 || { cat "$log.fuzz"; return 1; }
        inputs=$((inputs + $(sed -n 's/stat::number_of_executed_units: *//p' "$log.fuzz")))
        processor_seconds
    done
    rm -f "$log.fuzz"
    echo "$inputs inputs in $((minutes * 60 + seconds - end)) s of a processor, no finding"
}

cmake --preset release >/dev/null
cmake --build --preset release -- --quiet
programs=build/release/tests
for name in $names; do
    case $name in
    mutants)
        run 'mutants of safetensors, npy and idx headers' "$programs/reliability_mutants"
        run 'mutants of checkpoints' "$programs/reliability_checkpoints" 20000
        ;;
    system_calls) run 'system calls of saving that fail' "$programs/reliability_system_calls" ;;
    allocations) run 'allocations that fail' "$programs/reliability_allocations" ;;
    coverage) run 'lines and branches that tests reach' sh tests/coverage.sh ;;
    calls)
        run 'functions with a NULL for each pointer' "$programs/reliability_calls" nulls
        run 'calls with arguments of all kinds' "$programs/reliability_calls" random 10000000
        ;;
    contexts)
        cmake --preset tsan >/dev/null
        cmake --build --preset tsan --target reliability_contexts -- --quiet
        OMP_NUM_THREADS=1 run 'contexts in ThreadSanitizer' build/tsan/tests/reliability_contexts
        ;;
    valgrind)
        for model in notebook cgan; do
            OPENBLAS_CORETYPE=Haswell run "steps of $model in valgrind" valgrind -q --error-exitcode=1 --leak-check=full \
                build/release/bench/reel_bench --run "$model/threads:1" 3
        done
        ;;
    kills)
        run 'kills of a saving loop' "$programs/reliability_kills" 2000
        run 'kills of a training' "$programs/reliability_kills" 100 build/release/models/cgan
        ;;
    modes) run 'eight modes, and 100,000 steps' "$programs/reliability_modes" 10 100000 ;;
    fuzz)
        cmake --preset fuzz >/dev/null
        work=$(mktemp -d)
        for corpus in tests/fuzz/corpus/*; do
            reader=${corpus##*/}
            mkdir "$work/$reader"
            cmake --build --preset fuzz --target "fuzz_$reader" -- --quiet
            run "fuzzing the reader of $reader" fuzz "$reader"
        done
        rm -rf "$work"
        ;;
    mpi)
        # Root may start them, in a container say.
        export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_WAIT_POLICY=passive
        launch='mpirun --oversubscribe --bind-to none --mca mpi_yield_when_idle 1 --mca orte_base_help_aggregate 0 -n'
        work=$(mktemp -d)
        # shellcheck disable=SC2086
        {
            run 'same bits over 1, 2, 4 and 8 ranks' sh tests/mpi/bits.sh $programs/mpi_train 1000 '1 2 4 8' $launch
            run 'saved and loaded at up to 8 ranks' $launch 8 $programs/mpi_save test "$work/save"
            run 'kills of ranks that save' sh tests/mpi/kills.sh 200 "$work/kills" $programs/mpi_save $launch 3
        }
        rm -rf "$work"
        ;;
    blas) run 'another OpenBLAS' sh tests/blas.sh ;;
    aarch64) run '64-bit ARM, in qemu' sh tests/aarch64.sh ;;
    package) run 'Debian packages' sh tests/package.sh ;;
    *) run "tests labelled $name" ctest --preset release --no-tests=error -L "^$name\$" ;;
    esac
done
echo
echo '| what | how many, and found | how long |'
echo '|---|---|---|'
cat "$table"
exit $failed
