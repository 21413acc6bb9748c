#!/bin/sh
# The examples, built against an installation and run; each says by its exit code whether it shows what it is to show.
#   sh tests/examples.sh SOURCE BUILD C-COMPILER C++-COMPILER
set -eu

source=$1 build=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CC="$3" CXX="$4"

cmake --install "$build" --prefix "$work/reel" >"$work/log" || { cat "$work/log" >&2; exit 1; }
if ! { cmake -G Ninja -S "$source/examples" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/reel" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_C_FLAGS='-Wall -Wextra -Werror' -DCMAKE_CXX_FLAGS='-Wall -Wextra -Werror' &&
    cmake --build "$work/build"; } >"$work/log" 2>&1; then
    cat "$work/log" >&2
    exit 1
fi

failed=0
# shows EXAMPLE PATTERN [ARGUMENT...]: it succeeds, quietly on stderr, and a line of what it prints has the pattern.
shows() {
    folder=${1%/*} program=${1#*/} pattern=$2
    shift 2
    if ! "$work/build/$folder/$program" "$@" >"$work/output" 2>"$work/errors" || [ -s "$work/errors" ] ||
        ! grep -qE -- "$pattern" "$work/output"; then
        echo "examples: $program $*" >&2
        cat "$work/output" "$work/errors" >&2
        failed=1
    fi
}
shows first_loop/first_loop '^mean squared distance to the sine 0\.00'
shows matrix_factorisation/matrix_factorisation '^user 7 should watch film'
shows word_vectors/word_vectors '^(18|19|20) of 20 are of the same kind$'
shows own_operation/own_operation '^with logcosh '
shows own_layer/own_layer '^\.*#+\.*$'
shows cpp/moons '^accuracy on unseen points (9|100)'
shows serve_threads/serve_threads '^the same answers from every thread$' 3
[ ! -e "$work/build/click_model" ] ||
    shows click_model/click_model '^loss 0\.5' "$work/log.safetensors"

# A text of one's own.
i=0
while [ $i -lt 40 ]; do echo 'the red fox meets the grey wolf'; i=$((i + 1)); done >"$work/text"
shows word_vectors/word_vectors '^fox +[a-z]+ ' "$work/text" fox
exit $failed
