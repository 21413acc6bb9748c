# What the tests of the programs share, sourced by them: how they say what failed, and trainings that end early.
# shellcheck shell=sh
set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

check() { # NAME CONDITION...
    name=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED: %s\n' "$name"
        cat "$work/stderr"
    fi
}

# refused NAME CODE PATTERN COMMAND...: one line on stderr that has the pattern, and that exit code.
refused() {
    title=$1 code=$2 pattern=$3
    shift 3
    "$@" >"$work/stdout" 2>"$work/stderr"
    status=$?
    check "$title: exit code $status, not $code" test "$status" -eq "$code"
    check "$title: not one line" test "$(wc -l <"$work/stderr")" -eq 1
    check "$title: message" grep -q -- "$pattern" "$work/stderr"
}

# interrupted SIGNAL FOLDER COMMAND...: a training in that folder ends by a signal after its third picture. A shell may
# start background programs with the interrupt ignored, so it is set anew.
interrupted() {
    signal=$1 folder=$2
    shift 2
    env --default-signal=INT "$@" --out "$folder" >"$work/stdout" 2>"$work/stderr" &
    process=$!
    waited=0
    while [ $waited -lt 600 ] && ! [ -s "$folder/samples-0003.png" ]; do
        sleep 0.05
        waited=$((waited + 1))
    done
    kill -"$signal" "$process"
    wait "$process" 2>/dev/null
    check "$signal came before the end" test ! -s "$folder/samples-0008.png"
}

# resumed NAME WHOLE FOLDER COMMAND...: goes on with the training in a folder, to what one gives that was never stopped.
resumed() {
    title=$1 whole=$2 folder=$3
    shift 3
    "$@" --resume "$folder" >"$work/stdout" 2>"$work/stderr"
    check "resumed after $title" test $? -eq 0
    for file in model.safetensors samples-0008.png; do
        check "resumed after $title: $file" cmp -s "$whole/$file" "$folder/$file"
    done
    check "resumed after $title: an animation of everything" test "$(frames "$folder/training.png")" -eq 8
    check "resumed after $title: metrics" test "$(cut -d, -f1,2,4- "$whole/metrics.csv" | cksum)" = \
        "$(cut -d, -f1,2,4- "$folder/metrics.csv" | cksum)"
}

# How many frames an animation has, of less than 256.
frames() {
    od -An -t u1 -j 44 -N 1 "$1"
}

# All checks were made; the exit code of the test.
end() {
    printf '%s: %d passed, %d failed\n' "$1" "$passed" "$failed"
    test "$failed" -eq 0
}
