#!/bin/sh
# series as a user meets it: what it writes, messages, exit codes, and that a resumed training has the bits of another.
#   sh tests/models/series.sh SERIES
. "${0%/*}/checks.sh"
series=$1

# Three classes of different lengths and two channels.
small=$work/small_TRAIN.ts
{
    printf '@problemName small\n@classLabel true low middle high\n@data\n'
    for i in 1 2 3 4 5 6; do
        printf '%s,1,2,1,0:0,%s,0,1,0:low\n' $i $i
        printf '3,%s,2,1,4,%s:1,%s,0,1,0,2:middle\n' $i $i $i
        printf '5,6,%s,7,6,5,6,%s:0,0,1,%s,0,1,1,0:high\n' $i $i $i
    done
} >"$small"
sed '/^@/!s/1,/1.5,/g; /^@/!s/5,/4,/g' "$small" >"$work/small_TEST.ts"

"$series" data --data "$small" --out "$work/data.png" >"$work/stdout" 2>"$work/stderr"
check 'data says what there is' grep -q 'high  *6  *8..8' "$work/stdout"
check 'data draws what there is' test -s "$work/data.png"
refused 'data, no such file' 1 'no-such-file' "$series" data --data "$work/no-such-file.ts"
refused 'data, an unknown format' 1 'none of' "$series" data --data "$work/small.wav"
for command in '' data train sample eval; do
    # shellcheck disable=SC2086
    refused "series $command --help on a full disk" 1 'stdout: No space' sh -c '"$@" >/dev/full' - "$series" $command --help
done

train() { # OUT OPTION...: a training of six steps
    out=$1
    shift
    "$series" train --data "$small" --steps 6 --every 2 --minutes 0 --batch 4 --seed 3 --threads 1 --out "$out" "$@" \
        >"$work/stdout" 2>"$work/stderr"
}
mkdir "$work/old"
echo kept >"$work/old/metrics.csv"
refused 'train, no end' 2 'never end' "$series" train --minutes 0 --out "$work/none"
refused 'train, a folder that holds a run' 1 'add --overwrite' "$series" train --data "$small" --out "$work/old"
refused 'train, lengths that differ for the notebook' 1 'one length only' \
    "$series" train --data "$small" --recipe notebook --out "$work/none"
printf '@problemName a\n@data\n1,2,3\n4,5,6\n' >"$work/short.ts"
refused 'train, series that are too short' 1 'fewer than 4 steps' \
    "$series" train --data "$work/short.ts" --test-part 0 --out "$work/none"
check 'a refused training writes nothing' test ! -e "$work/none"
check 'a refused training leaves the run' grep -qx kept "$work/old/metrics.csv"

for recipe in conv gru; do
    train "$work/$recipe" --recipe $recipe
    check "$recipe trains" test $? -eq 0
    check "$recipe: a picture after every round" test -s "$work/$recipe/samples-0003.png"
    check "$recipe: a line of metrics after every round" test "$(wc -l <"$work/$recipe/metrics.csv")" -eq 4
    check "$recipe: a report that has ended" grep -q '"ended":true' "$work/$recipe/report.html"
    check "$recipe: with three pictures" test "$(grep -c '[[,][0-9]*,"iVBOR' "$work/$recipe/report.html")" -eq 3
    train "$work/$recipe-again" --recipe $recipe
    check "$recipe: the same seed gives the same model" \
        cmp -s "$work/$recipe/model.safetensors" "$work/$recipe-again/model.safetensors"
    "$series" sample --model "$work/$recipe/model.safetensors" --per-class 2 --out "$work/$recipe.npz" 2>"$work/stderr"
    check "$recipe: sample writes arrays" test -s "$work/$recipe.npz"
done
train "$work/rounds" --steps 20 --every 1
check 'of 20 pictures the first, every second and the last are in the animation' \
    test "$(frames "$work/rounds/training.png")" -eq 11
"$series" train --data sines --recipe notebook --steps 2 --minutes 0 --threads 1 --out "$work/notebook" 2>"$work/stderr"
check 'the notebook trains' test $? -eq 0 -a -s "$work/notebook/samples-0001.png"
"$series" train --data sines --recipe notebook --gamma 0.5 --steps 2 --minutes 0 --threads 1 --out "$work/penalty" \
    2>"$work/stderr"
check 'the notebook trains with penalties through its LSTM' test $? -eq 0
# shellcheck disable=SC2016
check 'which are more than zero' awk -F, 'NR == 2 && $8 > 0 { found = 1 } END { exit !found }' "$work/penalty/metrics.csv"

# What sample wrote can be read again, and has the classes and lengths of the training series.
"$series" data --data "$work/conv.npz" --test-part 0 >"$work/stdout" 2>"$work/stderr"
check 'samples are series again' grep -q '^  0  *2  *5..5 ' "$work/stdout"
check 'of every class' grep -q '^  2  *2  *8..8 ' "$work/stdout"
"$series" sample --model "$work/conv/model.safetensors" --per-class 2 --out "$work/conv.safetensors" 2>"$work/stderr"
check 'sample writes safetensors' test -s "$work/conv.safetensors"
refused 'sample, no model' 1 'no-such-file' "$series" sample --model "$work/no-such-file" --out "$work/t.npz"
refused 'sample, a file of another kind' 1 'not a model' \
    "$series" sample --model "$work/conv.safetensors" --out "$work/t.npz"
refused 'sample, no idea what to write' 2 'neither in' \
    "$series" sample --model "$work/conv/model.safetensors" --out "$work/t.gif"
# A small file whose networks would have 40 GB.
header='{"__metadata__":{"series_network":"0","series_hidden":"40000","series_steps":"24","series_varying":"0"},
"scale.mean":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
"length_counts":{"dtype":"I64","shape":[1,1],"data_offsets":[4,12]},
"up2.weight":{"dtype":"F32","shape":[40000,1,1],"data_offsets":[12,160012]}}'
{
    printf '\220\1\0\0\0\0\0\0'
    printf '%-400s' "$header"
    head -c 160012 /dev/zero
} >"$work/large.safetensors"
refused 'sample, a small file that claims much' 1 'not a model' \
    "$series" sample --model "$work/large.safetensors" --out "$work/t.npz"
check 'a refused sample writes nothing' test ! -e "$work/t.npz"

# Every row of the table, in a size that says nothing; and what the model and the data must have in common.
"$series" eval --model "$work/conv/model.safetensors" --data "$small" --samples 100 --steps 5 --threads 1 \
    >"$work/stdout" 2>"$work/stderr"
check 'eval measures samples and controls' test $? -eq 0 -a "$(wc -l <"$work/stdout")" -eq 9
check 'copies of the training series are none of their distance' grep -q '^copies of training .* 0.000  ' "$work/stdout"
check 'lengths of copies are those of the training series' grep -q '^real training series .* 0.000$' "$work/stdout"
refused 'eval, other series' 1 'the model makes 8, 2 and 3' \
    "$series" eval --model "$work/conv/model.safetensors" --data sines
refused 'eval, no model' 2 '--model' "$series" eval

# A training that is stopped, or killed, and resumed gives what one gives that was never stopped.
set -- "$series" train --data "$small" --steps 400 --every 50 --minutes 0 --batch 4 --seed 5 --threads 1
"$@" --out "$work/whole" 2>"$work/stderr"
for signal in INT KILL; do
    interrupted $signal "$work/resume-$signal" "$@"
    resumed $signal "$work/whole" "$work/resume-$signal" "$series" train --data "$small" --threads 2
done
refused 'extend without resume' 2 'for --resume' "$series" train --data "$small" --extend --out "$work/none"
refused 'resume with another length' 1 'add --extend' "$series" train --data "$small" --steps 401 --resume "$work/whole"
refused 'resume with another seed' 1 'another --seed' "$series" train --data "$small" --seed 6 --resume "$work/whole"
refused 'resume with another penalty' 1 'another --gamma' "$series" train --data "$small" --gamma 1 --resume "$work/whole"
sed 's/low$/high/; 4s/high$/low/' "$small" >"$work/other.ts"
refused 'resume with other series' 1 'other series' \
    "$series" train --data "$work/other.ts" --test "$work/small_TEST.ts" --resume "$work/whole"
refused 'resume what is no run' 1 'no-such-folder' "$series" train --data "$small" --resume "$work/no-such-folder"
"$series" train --data "$small" --steps 410 --extend --resume "$work/whole" >"$work/stdout" 2>"$work/stderr"
check 'an extended training' test $? -eq 0 -a -s "$work/whole/samples-0009.png"

end series
