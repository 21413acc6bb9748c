#!/bin/sh
# Training leads to the same bits at every number of ranks: sh bits.sh PROGRAM STEPS "RANKS..." LAUNCHER...
# LAUNCHER is mpirun with its options, up to the number of ranks.
set -eu

program=$1 steps=$2 numbers=$3
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for ranks in $numbers; do
    "$@" "$ranks" "$program" "$steps" >"$work/$ranks"
    [ -s "$work/$ranks" ] || { echo "bits: nothing comes of $ranks ranks" >&2; exit 1; }
    cmp -s "$work/$ranks" "$work/${numbers%% *}" || {
        echo "bits: $ranks ranks give others than ${numbers%% *}" >&2
        diff "$work/${numbers%% *}" "$work/$ranks" >&2
        exit 1
    }
done
# Rows that are updated exactly are what dense gradients give, in whichever way they travel.
for size in small large; do
    [ "$(sed -n "s/^$size, dense: //p" "$work/$ranks")" = "$(sed -n "s/^$size, exact: //p" "$work/$ranks")" ] ||
        { echo "bits: $size: rows give others than dense gradients" >&2; cat "$work/$ranks" >&2; exit 1; }
done
cat "$work/$ranks"
