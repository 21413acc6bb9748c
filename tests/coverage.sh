#!/bin/sh
# Which lines and branches of src the tests reach, in libreel and libreel_f64 together: sh tests/coverage.sh [ctest options]
#
# Prints a table by file, and writes the lines that nothing reached to build/coverage/uncovered.txt. A branch is one
# outcome of one condition of the source, as clang counts them; assertions are compiled out, and loops are in one form.
# Fails when a test does, or below the limits at the end.
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/.."

least_lines=95 least_branches=88
build=build/coverage
cmake --preset coverage >/dev/null
cmake --build --preset coverage -- --quiet
rm -rf "$build/profiles"
mkdir "$build/profiles"

# Each process adds to one of a few files. Not with these: what is linked has symbols that count, steps in valgrind and the
# same bits of many steps take long and reach nothing that others do not, and killed processes count nothing.
LLVM_PROFILE_FILE=$PWD/$build/profiles/%4m.profraw ctest --test-dir "$build" --output-on-failure --no-tests=error \
    -LE '^(long|kills|valgrind)$' -E '^(exports.*|install|hardening|bench_.*)$' --parallel "$(nproc)" "$@"
llvm-profdata merge -sparse "$build"/profiles/*.profraw -o "$build/profile"

# The libraries themselves, not the programs that hold copies of them. A header is there once for each layer that sees it.
llvm-cov export -format=lcov -instr-profile "$build/profile" "$build/libreel.a" -object "$build/libreel_f64.a" 2>/dev/null |
    awk -F '[:,]' -v least_lines=$least_lines -v least_branches=$least_branches -v list="$build/uncovered.txt" '
    function share(reached, all) { return all ? 100 * reached / all : 100 }
    /^SF/ {
        file = $2
        if (!sub(/.*\/build\/coverage\/layers\/[a-z]*\//, "src/", file) && !sub(/.*\/src\//, "src/", file)) file = ""
    }
    /^DA/ && file != "" { lines[file, $2] += $3 }
    /^BRDA/ && file != "" { branches[file, $2, $3, $4] += $5 }
    END {
        for (key in lines) {
            split(key, at, SUBSEP)
            n_lines[at[1]]++
            if (lines[key] > 0) reached[at[1]]++
            else print at[1] ":" at[2] | ("sort -t : -k 1,1 -k 2n >" list)
        }
        for (key in branches) {
            split(key, at, SUBSEP)
            n_branches[at[1]]++
            taken[at[1]] += branches[key] > 0
        }
        for (file in n_lines) {
            printf "%-32s lines %6.2f %% of %4d   branches %6.2f %% of %4d\n", file, share(reached[file], n_lines[file]),
                n_lines[file], share(taken[file], n_branches[file]), n_branches[file] | "sort"
            all += n_lines[file]; all_reached += reached[file]
            all_branches += n_branches[file]; all_taken += taken[file]
        }
        close("sort")
        printf "lines %.2f %% of %d, branches %.2f %% of %d\n", share(all_reached, all), all,
            share(all_taken, all_branches), all_branches
        exit share(all_reached, all) < least_lines || share(all_taken, all_branches) < least_branches
    }'
