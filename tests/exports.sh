#!/bin/sh
# A shared library of reel exports what the headers declare with REEL_API, and nothing else:
#   sh tests/exports.sh COMPILER INCLUDE-FOLDER LIBRARY [HEADER]
# HEADER: of a component, whose library has what is declared there and in no header of reel itself.
set -eu

compiler=$1 include=$2 library=$3 header=${4-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Each declaration on a line of its own, attributes left in so that REEL_API can be seen; the name stands before the first
# bracket that follows it. Headers of others that are included say it, too.
declared() {
    printf '#include <%s>\n' "$@" |
        "$compiler" -E -P -I"$include" -x c - | tr '\n' ' ' | tr ';' '\n' |
        sed -n 's/.*visibility *("default") *)) *//p' |
        sed 's/__attribute__ *((.*//' | sed 's/[[(].*//' | grep -o '[A-Za-z0-9_]* *$' | tr -d ' ' | grep '^reel_' | sort -u
}
declared reel/reel.h >"$work/declared"
# What guards a BLAS that cannot take two callers is one for all copies of reel in a process.
nm -D --defined-only "$library" | awk '$3 != ".gomp_critical_user_reel_blas" { print $3 }' | sort -u >"$work/exported"
[ "$(wc -l <"$work/declared")" -gt 100 ] || { echo 'exports: the headers could not be understood' >&2; exit 1; }
if [ -n "$header" ]; then
    declared reel/reel.h "$header" | comm -13 "$work/declared" - >"$work/component"
    mv "$work/component" "$work/declared"
    [ -s "$work/declared" ] || { echo "exports: $header declares nothing" >&2; exit 1; }
fi
if ! diff "$work/declared" "$work/exported" >"$work/difference"; then
    echo 'exports: < is declared and not exported, > the other way round' >&2
    grep '^[<>]' "$work/difference" >&2
    exit 1
fi
