#!/bin/sh
# Every header has an example in a comment, and each compiles: sh examples.sh SOURCE BUILD C-COMPILER
set -eu

source=$1 cc=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
for header in "$source"/include/reel/*.h "$source"/include/reel/*/*.h; do
    case $header in
    # Where MPI's folder is known (C_INCLUDE_PATH).
    */mpi.h) echo '#include <mpi.h>' | "$cc" -fsyntax-only -x c - 2>/dev/null || continue ;;
    esac
    { echo '#include "examples.h"' && awk -f "$source/tests/docs/examples.awk" "$header"; } >"$work/examples.c" &&
        "$cc" -std=c11 -fsyntax-only -Wall -Wextra -Werror -Wno-unused-variable -Wno-unused-but-set-variable \
            -Wno-unused-function -I"$source/include" -I"$source/tests/docs" "$work/examples.c" || failed=1
done
exit $failed
