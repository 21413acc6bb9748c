#!/bin/sh
# The programs as a user meets them: numbers, messages, exit codes, and what stays untouched when something is wrong.
#   sh tests/models/programs.sh FOLDER-OF-PROGRAMS GOLDEN-FOLDER
set -u
programs=$1 golden=$2
data=/usr/share/datasets/fashion-mnist
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

"$programs/notebook" --seed 7 --json >"$work/notebook.json" 2>"$work/stderr"
check 'notebook prints the numbers of PyTorch' cmp -s "$work/notebook.json" "$golden/notebook.json"
refused 'notebook, unknown option' 2 'nonsense' "$programs/notebook" --nonsense

cgan=$programs/cgan
mkdir "$work/out"
echo kept >"$work/out/metrics.csv"
refused 'train, missing folder' 1 'no-such-folder' "$cgan" train --data "$work/no-such-folder" --out "$work/out"
refused 'train, bad number' 2 'outside 0..65536' "$cgan" train --batch 70000 --out "$work/out"
refused 'train, no end' 2 'never end' "$cgan" train --epochs 0 --minutes 0 --out "$work/out"

# A small data set of our own, then broken in each way.
mkdir "$work/small"
images=$work/small/train-images-idx3-ubyte labels=$work/small/train-labels-idx1-ubyte
printf '\0\0\10\3\0\0\0\10\0\0\0\2\0\0\0\2' >"$images"
head -c 32 /dev/zero >>"$images"
printf '\0\0\10\1\0\0\0\10\0\1\2\0\1\2\0\1' >"$labels"
cp "$images" "$work/images" && cp "$labels" "$work/labels"
head -c 40 "$work/images" >"$images"
refused 'train, truncated images' 1 'train-images' "$cgan" train --data "$work/small" --batch 4 --out "$work/out"
printf '\0\0\11\3' | cat - "$work/images" >"$images"
refused 'train, wrong magic' 1 'train-images' "$cgan" train --data "$work/small" --batch 4 --out "$work/out"
cp "$work/images" "$images"
printf '\0\0\10\1\0\0\0\7\0\1\2\0\1\2\0' >"$labels"
refused 'train, counts that disagree' 1 '7' "$cgan" train --data "$work/small" --batch 4 --out "$work/out"
cp "$work/labels" "$labels"
refused 'train, batch above the images' 1 '--batch 16' "$cgan" train --data "$work/small" --batch 16 --out "$work/out"
check 'a refused training overwrites nothing' grep -qx kept "$work/out/metrics.csv"

# The small data set trains, twice to the same bits, and gives a model for the commands that follow.
for run in a b; do
    "$cgan" train --data "$work/small" --batch 4 --epochs 2 --minutes 0 --seed 3 --threads 1 --out "$work/$run" \
        >"$work/stdout" 2>"$work/stderr"
    check 'a small data set trains' test $? -eq 0
done
check 'the same seed gives the same model' cmp -s "$work/a/model.safetensors" "$work/b/model.safetensors"
check 'a picture after every epoch' test -s "$work/a/samples-0002.png"
check 'a line of metrics after every epoch' test "$(wc -l <"$work/a/metrics.csv")" -eq 3
"$cgan" sample --model "$work/a/model.safetensors" --per-class 2 --seed 1 --out "$work/s.png" 2>"$work/stderr"
check 'sample writes a picture' test -s "$work/s.png"
"$cgan" sample --model "$work/a/model.safetensors" --per-class 2 --seed 1 --out "$work/s.safetensors" 2>"$work/stderr"
check 'sample writes arrays' test -s "$work/s.safetensors"

refused 'sample, no model' 1 'no-such-file' "$cgan" sample --model "$work/no-such-file" --out "$work/t.png"
refused 'sample, a file of another shape' 1 'not a model' "$cgan" sample --model "$work/s.safetensors" --out "$work/t.png"
refused 'sample, a file of another kind' 1 'metrics.csv' "$cgan" sample --model "$work/a/metrics.csv" --out "$work/t.png"
refused 'sample, no idea what to write' 2 'safetensors' "$cgan" sample --model "$work/a/model.safetensors" --out "$work/t.gif"
check 'a refused sample writes nothing' test ! -e "$work/t.png"
refused 'eval, images of other classes' 1 'label 9' "$cgan" eval --model "$work/a/model.safetensors" --data "$data"
refused 'eval, no model' 2 '--model' "$cgan" eval

# Ctrl-C: what was learned is there. A shell may start background programs with the interrupt ignored, so it is set anew.
env --default-signal=INT "$cgan" train --data "$data" --epochs 1000 --minutes 0 --threads 1 --out "$work/c" \
    >"$work/stdout" 2>"$work/stderr" &
process=$!
waited=0
while [ $waited -lt 60 ] && ! grep -q 'recipe default' "$work/stderr"; do
    sleep 1
    waited=$((waited + 1))
done
sleep 2
kill -INT "$process"
wait "$process"
check 'an interrupted training ends with 0' test $? -eq 0
check 'an interrupted training leaves a model' test -s "$work/c/model.safetensors"
check 'an interrupted training leaves a picture' test -s "$work/c/samples-0001.png"

printf 'programs: %d passed, %d failed\n' "$passed" "$failed"
test "$failed" -eq 0
