#!/bin/sh
# No layer of the library uses a symbol of a layer above it: sh tests/layers.sh FOLDER LIBRARY LAYER...
#
# FOLDER holds the objects as <library>_<layer>.dir, the layers are named bottom up. Include paths keep headers apart; this
# finds what is declared in public headers and defined further up. What crosses on purpose is listed here, with why.
set -eu

folder=$1 library=$2
shift 2
# core/sink.c sums gradients in public operations when a pass builds a graph, since those sums are recorded too.
allowed='core:reel_add core:reel_sum_to_size'

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0 crossed=
for layer in "$@"; do
    find "$folder/${library}_$layer.dir" -name '*.o' -exec nm -g {} + >"$work/symbols"
    awk 'NF == 3 && $2 ~ /[TDBRVWi]/ { print $3 }' "$work/symbols" | sort -u >"$work/$layer.defined"
    awk 'NF == 2 && $1 == "U" { print $2 }' "$work/symbols" | sort -u >"$work/$layer.used"
    [ -s "$work/$layer.defined" ] || { echo "layers: no objects of $layer in $folder" >&2; exit 1; }
done
below=
for layer in "$@"; do
    below="$below $layer"
    for above in "$@"; do
        case " $below " in *" $above "*) continue ;; esac
        for symbol in $(comm -12 "$work/$layer.used" "$work/$above.defined"); do
            case " $allowed " in
            *" $layer:$symbol "*) crossed="$crossed $layer:$symbol" ;;
            *) echo "layers: $layer uses $symbol, which $above defines" >&2; failed=1 ;;
            esac
        done
    done
done
# An exception that nobody needs any more is to be taken off the list.
for symbol in $allowed; do
    case " $crossed " in *" $symbol "*) ;; *) echo "layers: $symbol no longer crosses" >&2; failed=1 ;; esac
done
exit $failed
