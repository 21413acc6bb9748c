#!/bin/sh
# The programs as a user meets them: numbers, messages, exit codes, and what stays untouched when something is wrong.
#   sh tests/models/programs.sh FOLDER-OF-PROGRAMS GOLDEN-FOLDER
. "${0%/*}/checks.sh"
programs=$1 golden=$2
data=/usr/share/datasets/fashion-mnist

"$programs/notebook" --seed 7 --json >"$work/notebook.json" 2>"$work/stderr"
check 'notebook prints the numbers of PyTorch' cmp -s "$work/notebook.json" "$golden/notebook.json"
version="(reel) $(sed -n 's/^#define REEL_VERSION_[MP][A-Z]* //p' "$golden/../../include/reel/types.h" | paste -sd.)"
for command in notebook cgan 'cgan train' series; do
    # shellcheck disable=SC2086
    check "$command --version" test "$("$programs"/$command --version)" = "$command $version"
done
refused 'notebook, unknown option' 2 'nonsense' "$programs/notebook" --nonsense

cgan=$programs/cgan
mkdir "$work/out" "$work/old"
echo kept >"$work/old/metrics.csv"
refused 'train, missing folder' 1 'no-such-folder' "$cgan" train --data "$work/no-such-folder" --out "$work/out"
refused 'train, bad number' 2 'outside 0..65536' "$cgan" train --batch 70000 --out "$work/out"
refused 'train, no end' 2 'never end' "$cgan" train --epochs 0 --minutes 0 --out "$work/out"
refused 'train, a recipe of the other network' 2 'add --network mlp' \
    "$cgan" train --recipe reference --network conv --out "$work/out"
refused 'train, batches of one' 2 'at least 2' "$cgan" train --batch 1 --out "$work/out"

# What is printed and cannot be written is an error.
for command in notebook cgan 'cgan train' 'cgan sample' 'cgan eval' 'cgan export'; do
    # shellcheck disable=SC2086
    refused "$command --help on a full disk" 1 'stdout: No space' sh -c '"$@" >/dev/full' - "$programs"/$command --help
done
refused 'notebook without stdout' 1 'stdout: ' sh -c '"$0" >&-' "$programs/notebook"

# A small data set of our own, eight images of 4 x 4, then broken in each way.
mkdir "$work/small"
images=$work/small/train-images-idx3-ubyte labels=$work/small/train-labels-idx1-ubyte
printf '\0\0\10\3\0\0\0\10\0\0\0\4\0\0\0\4' >"$images"
head -c 128 /dev/zero >>"$images"
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
refused 'train, a folder that holds a run' 1 'add --overwrite' "$cgan" train --data "$work/small" --batch 4 --out "$work/old"
refused 'train, a folder that is a file' 1 'Not a directory' "$cgan" train --data "$work/small" --batch 4 --out "$work/images"
check 'a refused training writes nothing' test -z "$(ls "$work/out")"
check 'a refused training leaves the run' grep -qx kept "$work/old/metrics.csv"

# The small data set trains, twice to the same bits, and gives a model for the commands that follow.
for run in a b; do
    "$cgan" train --data "$work/small" --batch 4 --epochs 2 --minutes 0 --seed 3 --threads 1 --out "$work/$run" \
        >"$work/stdout" 2>"$work/stderr"
    check 'a small data set trains' test $? -eq 0
done
check 'the same seed gives the same model' cmp -s "$work/a/model.safetensors" "$work/b/model.safetensors"
"$cgan" train --data "$work/small" --batch 4 --epochs 2 --minutes 0 --seed 3 --threads 1 --detect-anomaly --out "$work/c" \
    >"$work/stdout" 2>"$work/stderr"
check 'the search for anomalies changes nothing' cmp -s "$work/a/model.safetensors" "$work/c/model.safetensors"
cp -r "$work/small" "$work/both"
for kind in images-idx3 labels-idx1; do cp "$work/small/train-$kind-ubyte" "$work/both/t10k-$kind-ubyte"; done
"$cgan" train --data "$work/both" --batch 4 --epochs 2 --minutes 0 --seed 3 --threads 1 --eval-every 2 --out "$work/judged" \
    >"$work/stdout" 2>"$work/stderr"
check 'judging changes nothing' cmp -s "$work/a/model.safetensors" "$work/judged/model.safetensors"
check 'one epoch of two is judged' test "$(grep -c ',[0-9.e-][0-9.e-]*,[0-9.e-][0-9.e-]*,[0-9.e-][0-9.e-]*$' "$work/judged/metrics.csv") $(
    grep -c ',,,$' "$work/judged/metrics.csv")" = '1 1'
check 'a picture after every epoch' test -s "$work/a/samples-0002.png"
check 'an animation of both' test "$(frames "$work/a/training.png")" -eq 2
check 'a line of metrics after every epoch' test "$(wc -l <"$work/a/metrics.csv")" -eq 3
"$cgan" sample --model "$work/a/model.safetensors" --per-class 2 --seed 1 --out "$work/s.png" 2>"$work/stderr"
check 'sample writes a picture' test -s "$work/s.png"
"$cgan" sample --model "$work/a/model.safetensors" --per-class 2 --seed 1 --out "$work/s.safetensors" 2>"$work/stderr"
check 'sample writes arrays' test -s "$work/s.safetensors"

# Each recipe of linear layers gives a model that the other commands take.
for recipe in projection short concatenation reference; do
    "$cgan" train --network mlp --recipe "$recipe" --data "$work/small" --batch 4 --epochs 1 --minutes 0 --threads 1 \
        --out "$work/$recipe" >"$work/stdout" 2>"$work/stderr"
    check "mlp, $recipe" test $? -eq 0
    "$cgan" sample --model "$work/$recipe/model.safetensors" --per-class 2 --out "$work/$recipe.png" 2>"$work/stderr"
    check "a picture of mlp, $recipe" test -s "$work/$recipe.png"
done
# Files from before there was a choice do not say which network it is.
sed 's/"network":"mlp"/"notwork":"mlp"/' "$work/concatenation/model.safetensors" >"$work/old.safetensors"
"$cgan" sample --model "$work/old.safetensors" --per-class 2 --out "$work/old.png" 2>"$work/stderr"
check 'a model that names no network' cmp -s "$work/old.png" "$work/concatenation.png"
sed 's/"network":"mlp"/"network":"wat"/' "$work/concatenation/model.safetensors" >"$work/other.safetensors"
refused 'sample, a network of another program' 1 'not a model' \
    "$cgan" sample --model "$work/other.safetensors" --out "$work/t.png"

# Names of classes come from the data and stay with the model.
refused 'sample, classes without names' 1 'numbers alone' \
    "$cgan" sample --model "$work/a/model.safetensors" --class boot --out "$work/t.png"
cp -r "$work/small" "$work/named"
printf 'bag\nboot\nhat\n' >"$work/named/labels.txt"
"$cgan" train --data "$work/named" --batch 4 --epochs 2 --minutes 0 --seed 3 --threads 1 --out "$work/names" 2>"$work/stderr"
check 'names change no number' test "$(tail -n 1 "$work/names/metrics.csv" | cut -d, -f 4-)" = \
    "$(tail -n 1 "$work/a/metrics.csv" | cut -d, -f 4-)"
"$cgan" sample --model "$work/names/model.safetensors" --per-class 3 --class Boot --out "$work/boot.safetensors" \
    2>"$work/stderr"
"$cgan" sample --model "$work/names/model.safetensors" --per-class 3 --class 1 --out "$work/one.safetensors" 2>"$work/stderr"
check 'a class by its name is that of its number' cmp "$work/boot.safetensors" "$work/one.safetensors"
refused 'sample, a class that is not there' 1 'has no class "shoe"$' \
    "$cgan" sample --model "$work/names/model.safetensors" --class shoe --out "$work/t.png"
# Images that are tall enough for a name beside them.
mkdir "$work/tall"
printf '\0\0\10\3\0\0\0\10\0\0\0\14\0\0\0\14' >"$work/tall/train-images-idx3-ubyte"
head -c 1152 /dev/zero >>"$work/tall/train-images-idx3-ubyte"
cp "$work/small/train-labels-idx1-ubyte" "$work/tall"
cp -r "$work/tall" "$work/tall-named"
cp "$work/named/labels.txt" "$work/tall-named"
"$cgan" train --data "$work/tall-named" --batch 4 --epochs 2 --minutes 0 --threads 1 --out "$work/tall-names" 2>"$work/stderr"
cp -r "$work/tall-names" "$work/unnamed"
"$cgan" train --data "$work/tall" --epochs 3 --extend --resume "$work/unnamed" >"$work/stdout" 2>"$work/stderr"
check 'a run goes on without the names, and its pictures get narrower' test $? -eq 0 -a -s "$work/unnamed/samples-0003.png"
check 'its animation stays as it was' cmp "$work/tall-names/training.png" "$work/unnamed/training.png"
printf 'bag\n' >"$work/named/labels.txt"
refused 'train, too few names' 1 'labels.txt' "$cgan" train --data "$work/named" --batch 4 --out "$work/none"

refused 'sample, no model' 1 'no-such-file' "$cgan" sample --model "$work/no-such-file" --out "$work/t.png"
refused 'sample, a file of another shape' 1 'not a model' "$cgan" sample --model "$work/s.safetensors" --out "$work/t.png"
# 4 MB that claim an image of 1024 x 1024, for which the networks would have 6 GB.
header='{"__metadata__":{"batch_norm_eps":"0","image_rows":"1024","image_columns":"1024"},
"label_emb.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},
"model.0.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[4,8]},
"model.11.bias":{"dtype":"F32","shape":[1048576],"data_offsets":[8,4194312]}}'
{
    printf '\220\1\0\0\0\0\0\0'
    printf '%-400s' "$header"
    head -c 4194312 /dev/zero
} >"$work/large.safetensors"
# AddressSanitizer takes addresses for the whole of its shadow, which the limit would refuse.
limit='ulimit -v 2000000'
if nm -D "$cgan" 2>/dev/null | grep -q __asan_init || nm "$cgan" | grep -q __asan_init; then limit=:; fi
refused 'sample, a small file that claims much' 1 'not a model' \
    sh -c "$limit"' && exec "$@"' - "$cgan" sample --model "$work/large.safetensors" --out "$work/t.png"
refused 'sample, a file of another kind' 1 'metrics.csv' "$cgan" sample --model "$work/a/metrics.csv" --out "$work/t.png"
refused 'sample, no idea what to write' 2 'safetensors' "$cgan" sample --model "$work/a/model.safetensors" --out "$work/t.gif"
check 'a refused sample writes nothing' test ! -e "$work/t.png"
refused 'eval, images of other classes' 1 'label 9' "$cgan" eval --model "$work/a/model.safetensors" --data "$data"
refused 'eval, no model' 2 '--model' "$cgan" eval
"$cgan" export --model "$work/a/model.safetensors" --out "$work/a.onnx" 2>"$work/stderr"
check 'export writes a model' test -s "$work/a.onnx"
check 'that has the params by their names' grep -q 'conv2.weight' "$work/a.onnx"
refused 'export, nowhere to write' 1 'no-such-folder' \
    "$cgan" export --model "$work/a/model.safetensors" --out "$work/no-such-folder/b.onnx"
refused 'export, a file of another kind' 1 'metrics.csv' "$cgan" export --model "$work/a/metrics.csv" --out "$work/b.onnx"
refused 'export, no idea where to' 2 '--out' "$cgan" export --model "$work/a/model.safetensors"
check 'a refused export writes nothing' test ! -e "$work/b.onnx"

# A run is replaced by its first epoch, and with it the pictures of later epochs and what a killed process left.
cp -r "$work/a" "$work/again"
touch "$work/again/samples-0009.png" "$work/again/model.safetensors.1.tmp" "$work/again/training.png.1.tmp" "$work/again/mine.txt"
"$cgan" train --data "$work/small" --batch 4 --epochs 1 --minutes 0 --threads 1 --out "$work/again" --overwrite \
    >"$work/stdout" 2>"$work/stderr"
check 'a run is replaced' test $? -eq 0
check 'the files of the new run alone' test "$(ls "$work/again" | sed 's/^events\..*/events/' | tr '\n' ' ')" = \
    'checkpoint.safetensors events metrics.csv mine.txt model.safetensors report.html samples-0001.png training.png '
check 'its report has one epoch and has ended' grep -q '"ended":true' "$work/again/report.html"
check 'the metrics of the new run alone' test "$(wc -l <"$work/again/metrics.csv")" -eq 2

# A training that is stopped, or killed, and resumed gives what one gives that was never stopped.
for case in INT:conv KILL:mlp; do
    signal=${case%:*} network=${case#*:}
    set -- "$cgan" train --network "$network" --data "$work/small" --batch 4 --epochs 8 --minutes 0 --seed 5 --threads 1
    "$@" --out "$work/whole-$network" 2>"$work/stderr"
    interrupted "$signal" "$work/resume-$signal" "$@"
    resumed "$signal" "$work/whole-$network" "$work/resume-$signal" "$cgan" train --data "$work/small" --threads 2
done
refused 'extend without resume' 2 'for --resume' "$cgan" train --data "$work/small" --extend --out "$work/none"
refused 'resume with another length' 1 'add --extend' "$cgan" train --data "$work/small" --epochs 9 --resume "$work/whole-mlp"
refused 'resume with another network' 1 'another --network' \
    "$cgan" train --data "$work/small" --network conv --resume "$work/whole-mlp"
refused 'resume with another seed' 1 'another --seed' "$cgan" train --data "$work/small" --seed 6 --resume "$work/whole-mlp"
refused 'resume what is no run' 1 'no-such-folder' "$cgan" train --data "$work/small" --resume "$work/no-such-folder"
"$cgan" train --data "$work/small" --epochs 9 --extend --resume "$work/whole-mlp" >"$work/stdout" 2>"$work/stderr"
check 'an extended training' test $? -eq 0 -a -s "$work/whole-mlp/samples-0009.png"
check 'an extended training says what changes' grep -q -e '--epochs 9 .* instead of --epochs 8' "$work/stderr"
# A run that an older version began, which judged nothing.
cut -d, -f 1-8 "$work/whole-mlp/metrics.csv" >"$work/narrow.csv"
cp "$work/narrow.csv" "$work/whole-mlp/metrics.csv"
"$cgan" train --data "$work/small" --epochs 10 --extend --resume "$work/whole-mlp" >"$work/stdout" 2>"$work/stderr"
check 'metrics of an older version get the columns that they have now' test \
    "$(head -n 1 "$work/whole-mlp/metrics.csv") $(awk -F, '{ print NF }' "$work/whole-mlp/metrics.csv" | sort | uniq -c | xargs)" = \
    "$(head -n 1 "$work/a/metrics.csv") 11 11"
check 'and keep what they had' test "$(sed 's/,,,$//; 1d; $d' "$work/whole-mlp/metrics.csv" | cksum)" = \
    "$(sed 1d "$work/narrow.csv" | cksum)"

# A training whose numbers overflow, since its checkpoint got weights of 3e38.
cp -r "$work/c" "$work/diverging"
checkpoint=$work/diverging/checkpoint.safetensors
begin=$(head -c 100000 "$checkpoint" | grep -ao '"discriminator.conv1.weight":[^}]*offsets":.[0-9]*' | grep -o '[0-9]*$')
header=$(od -An -t u8 -N 8 "$checkpoint")
head -c 2048 /dev/zero | tr '\0' '\177' |
    dd of="$checkpoint" bs=1 seek=$((8 + header + begin)) conv=notrunc 2>"$work/stderr"
# What a folder holds; how many files of events there are depends on how often the run was resumed.
names() {
    ls -A "$1" | sed 's/^events\..*/events/' | sort -u
}
diverging() { # PATTERN OPTION...
    pattern=$1
    shift
    "$cgan" train --data "$work/small" --epochs 3 --extend --resume "$work/diverging" "$@" >"$work/stdout" 2>"$work/stderr"
    check "a training that diverges $*: exit code" test $? -eq 1
    check "a training that diverges $*: message" grep -q -e "$pattern" "$work/stderr"
    check "a training that diverges $*: files" test "$(names "$work/diverging")" = "$(names "$work/c")"
    check "a training that diverges $*: the model is that of the last epoch" \
        cmp "$work/c/model.safetensors" "$work/diverging/model.safetensors"
}
diverging 'the loss is not a number after [0-9]* steps'
diverging 'conv_bias "conv1": its result is .*("conv1.weight").* to 3[.0-9]*e+38' --detect-anomaly

# Closed streams: nothing that is printed may land in a file.
sh -c '"$@" >&- 2>&-' - "$cgan" train --data "$work/small" --batch 4 --epochs 2 --minutes 0 --seed 3 --threads 1 \
    --out "$work/closed"
check 'a training without streams' test $? -eq 0
check 'its metrics begin with their header' sh -c 'head -n 1 "$1" | grep -q "^epoch,step,"' - "$work/closed/metrics.csv"
check 'its model is the same' cmp -s "$work/a/model.safetensors" "$work/closed/model.safetensors"
check 'its files are as many' test "$(ls "$work/closed" | wc -l)" -eq "$(ls "$work/a" | wc -l)"
{ "$cgan" train --data "$work/small" --batch 4 --epochs 2 --minutes 0 --seed 3 --threads 1 --out "$work/pipe" 2>&1
    echo $? >"$work/status"; } | true
check 'a training that nobody listens to' test "$(cat "$work/status")" -eq 0
check 'its model is the same, too' cmp -s "$work/a/model.safetensors" "$work/pipe/model.safetensors"

# Files may not grow beyond 1 MiB: the model does not fit, as on a full disk, and pictures and metrics do.
(ulimit -f 2048 && exec "$cgan" train --network mlp --data "$work/small" --batch 4 --epochs 3 --minutes 0 \
    --threads 1 --out "$work/full") >"$work/stdout" 2>"$work/stderr"
check 'without room for the model training says so in the end' test $? -eq 1
check 'one warning' test "$(grep -c 'warning: .*checkpoint.safetensors.*File too large' "$work/stderr")" -eq 1
check 'but goes on to its end' test "$(wc -l <"$work/full/metrics.csv")" -eq 4 -a -s "$work/full/samples-0003.png"
check 'nothing half written stays' test "$(ls "$work/full" | wc -l)" -eq 7

mkdir "$work/wide"
printf '\0\0\10\3\0\0\0\10\0\0\0\1\0\0\0\5' | cat - /dev/zero | head -c 56 >"$work/wide/train-images-idx3-ubyte"
cp "$labels" "$work/wide"
refused 'train, images that convolutions do not halve' 1 '5 x 1.*--network mlp' \
    "$cgan" train --data "$work/wide" --batch 4 --out "$work/wide/out"
"$cgan" train --network mlp --data "$work/wide" --batch 4 --epochs 1 --minutes 0 --threads 1 --out "$work/wide/out" \
    2>"$work/stderr"
refused 'sample, a picture that cannot be' 1 'do not make a picture' \
    timeout 5 "$cgan" sample --model "$work/wide/out/model.safetensors" --out "$work/late.png" --per-class 100000

# stopped SIGNAL FOLDER: that signal ends a training, and what was learned is there. A shell may start background programs
# with the interrupt ignored, so it is set anew.
stopped() {
    : >"$work/stderr" # of the one before, which says what is waited for
    env --default-signal="$1" "$cgan" train --network mlp --data "$data" --epochs 1000 --minutes 0 --threads 1 --out "$2" \
        >"$work/stdout" 2>"$work/stderr" &
    process=$!
    waited=0
    while [ $waited -lt 60 ] && ! grep -q 'recipe projection' "$work/stderr"; do
        sleep 1
        waited=$((waited + 1))
    done
    [ "$1" != INT ] || refused 'train, where another training writes' 1 'another training' \
        "$cgan" train --data "$work/small" --batch 4 --out "$2"
    kill -"$1" "$process"
    wait "$process"
    check "$1 ends a training with 0" test $? -eq 0
    check "$1 leaves a model" test -s "$2/model.safetensors"
    check "$1 leaves a picture" test -s "$2/samples-0001.png"
}
stopped INT "$work/int"
stopped TERM "$work/term"
stopped HUP "$work/hup"

# What nohup ignores stays ignored.
(trap '' HUP && exec "$cgan" train --network mlp --data "$data" --epochs 1000 --minutes 0 --threads 1 --out "$work/nohup") \
    >"$work/stdout" 2>"$work/nohup.err" &
process=$!
waited=0
while [ $waited -lt 60 ] && ! grep -q 'recipe projection' "$work/nohup.err"; do
    sleep 1
    waited=$((waited + 1))
done
kill -HUP "$process"
sleep 1
check 'an ignored signal ends nothing' kill -0 "$process"
kill -KILL "$process"
wait "$process" 2>/dev/null

end programs
