#!/bin/bash
# Whether the registry's tests notice mistakes: one token of a kernel or a rule is changed, and ops_values or ops_registry
# (in double, with sanitizers) has to fail; or, for what no sample can show, the test of tests/ops or tests/kern that has
# the file's name; or, for functions that are made of operations, ops_functions.
#
#     bash tests/mutants.sh [COUNT [SEED]]    tries COUNT mutants (200), drawn with SEED (1)
#     bash tests/mutants.sh list              prints all there are: file, line, place, old and new token, operation, text
#     bash tests/mutants.sh only PATTERN      tries all whose line in that list matches PATTERN (as grep -E does)
#
# First come those in `named` below; then, if COUNT allows, one for each operation; then what the draw gives. Which are
# drawn depends on their text and not on their place, so that a change elsewhere changes few. Mutants that do not compile
# do not count.
# Those that tests/mutants.txt lists (file, old and new token, text, reason) change nothing that anybody could see, or what
# another test has, which the reason names. Of the others, at least 98 % must be caught; each that is not is printed.
#
# Mutated are operators, comparisons, signs, constants and a few enumerators in the code of src/ops and of the kernels
# that operations use; not in samples, costs, forms of ONNX (whose bytes tests/ops/onnx.c has), texts of errors, and the
# public functions around an operation, which the registry does not call. The sources are copied: the tree is left alone.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

count=${1:-200}
seed=${2:-1}
pattern=
[ "$count" != only ] || pattern=$2 seed=1
equivalent=$PWD/tests/mutants.txt
folder=$PWD/build/mutants

# A line that is written in another way since then takes its reason off the list unseen.
while IFS=$'\t' read -r file _ _ text _; do
    grep -qF -- "$text" "$file" || { printf 'mutants: %s no longer has: %s\n' "$file" "$text" >&2; exit 1; }
done <"$equivalent"

# File, text of the line, old and new text.
named=$(
    cat <<'END'
src/ops/compare.c	COMPARISON(ge, REEL_COMPARE_LE, true, "GreaterOrEqual")	REEL_COMPARE_LE	REEL_COMPARE_LT
src/ops/compare.c	LOGICAL(logical_or, REEL_COMPARE_OR, "Or")	REEL_COMPARE_OR	REEL_COMPARE_AND
src/ops/compare.c	COMPARISON_SCALAR(le_scalar, REEL_COMPARE_LE, false, "LessOrEqual")	REEL_COMPARE_LE	REEL_COMPARE_LT
src/kern/unary.c	UNARY(exp, reel_math_exp(x), g * y)	reel_math_exp(x)	reel_math_exp(x) + 5
END
)

kernels='broadcast compare convolution copy dropout elementwise embedding_bag gather gemm interpolate linear lookup loss
    normalize patches philox pool recurrent reduce rows scan softmax sort strided sum_to unary unfold'

sources() {
    for kernel in $kernels; do
        echo "src/kern/$kernel.c"
    done
    ls src/ops/*.c | grep -vE '/(gradcheck|registry)\.c$'
}

# One a line: file, line, column, old token, new token, operation ("-" when it is for several), text of the line.
enumerate() {
    # The longest names first, so that add_scalar is not taken for add.
    rows=$(cat src/ops/*.c | grep -oE '[ (]ROW\([a-z0-9_]+\)' | sed 's/.*ROW(\(.*\))/\1/' | awk '{ print length, $0 }' | sort -rn | sed 's/.* //')
    public=$(grep -ohE 'reel_[a-z0-9_]+\(' include/reel/*.h | tr -d '(' | sort -u)
    awk -v rows="$rows" -v public="$public" '
        BEGIN {
            n_rows = split(rows, row, "\n")
            split(public, names, "\n")
            for (i in names)
                is_public[names[i]] = 1
            split("+ - - + * / / * % / += -= -= += *= = && || || && & | | & < <= <= < > >= >= > == != != ==", pair, " ")
            for (i = 1; i in pair; i += 2)
                operator[pair[i]] = pair[i + 1]
            split("true false false true REEL_COMPARE_EQ REEL_COMPARE_NE REEL_COMPARE_NE REEL_COMPARE_EQ " \
                  "REEL_COMPARE_LT REEL_COMPARE_LE REEL_COMPARE_LE REEL_COMPARE_LT REEL_COMPARE_AND REEL_COMPARE_OR " \
                  "REEL_COMPARE_OR REEL_COMPARE_AND REEL_KERN_MAX REEL_KERN_MIN REEL_KERN_MIN REEL_KERN_MAX", pair, " ")
            for (i = 1; i in pair; i += 2)
                name[pair[i]] = pair[i + 1]
        }
        function found(column, old, new) {
            print file "\t" n "\t" column "\t" old "\t" new "\t" operation "\t" text
        }
        # The operation whose name the name of a definition begins with, or that a macro is used for.
        function operation_of(defined,   i) {
            sub(/^reel_(kern_|unary_)?/, "", defined)
            for (i = 1; i <= n_rows; i++)
                if (defined == row[i] || index(defined, row[i] "_") == 1)
                    return row[i]
            return "-"
        }
        function mutate(   at, step, rest, before, after, token, line) {
            text = raw[n]
            sub(/^ +/, "", text)
            sub(/ *\\$/, "", text)
            line = raw[n]
            # Blank out strings and comments, but keep every column.
            gsub(/\\"/, "  ", line)
            while (match(line, /"[^"]*"/))
                line = substr(line, 1, RSTART - 1) sprintf("%" RLENGTH "s", "") substr(line, RSTART + RLENGTH)
            if (comment && !match(line, /\*\//))
                return
            if (comment) {
                line = sprintf("%" RSTART + 1 "s", "") substr(line, RSTART + 2)
                comment = 0
            }
            while (match(line, /\/\*([^*]|\*[^\/])*\*\//))
                line = substr(line, 1, RSTART - 1) sprintf("%" RLENGTH "s", "") substr(line, RSTART + RLENGTH)
            if (match(line, /\/\*/)) {
                line = substr(line, 1, RSTART - 1)
                comment = 1
            }
            if (line ~ /^#(ifndef REEL_SAMPLES|ifdef REEL_F64)/) { inside = line; return }
            if (line ~ /^#ifdef REEL_SAMPLES/) { skipped = 1; return }
            if (line ~ /^#else/ && inside != "") { skipped = 1; return }
            if (line ~ /^#endif/) { skipped = 0; inside = ""; return }
            if (skipped || line ~ /^#(include|if|el|pragma|undef)/ || line ~ /^REEL_OP_FAMILY/)
                return
            if (line ~ /^[A-Za-z#]/) {
                if (match(line, /^[A-Z_0-9]+\([a-z_0-9]+/)) {
                    defined = substr(line, RSTART, RLENGTH)
                    sub(/.*\(/, "", defined)
                } else if (match(line, /[A-Za-z_0-9]+(\(|\[\]| = )/)) {
                    defined = substr(line, RSTART, RLENGTH)
                    sub(/(\(|\[| ).*/, "", defined)
                } else
                    defined = ""
                if (line !~ /^#define/ || defined !~ /^[A-Z]/)
                    operation = operation_of(defined)
                else
                    operation = "-"
                skipped_definition = defined ~ /cost|onnx|ONNX/ || line ~ /^[A-Z_]*ONNX\(/ || (defined in is_public)
                enumeration = line ~ /^enum .*\{.*\}/ || line ~ /^(static )?const double/
            }
            # Memory that ran out is the matter of tests/reliability/allocations.c.
            if (line ~ /^ *if \(![a-z_]+( \|\| ![a-z_]+)*\)/ && raw[n + 1] ~ /^ *return /)
                return
            # Arguments of an error are its text.
            if (line ~ /reel_fail(_memory)?\(/) {
                match(line, /reel_fail(_memory)?\(/)
                kept = substr(line, 1, RSTART - 1)
                failing = line !~ /;/
                line = kept
            } else if (failing) {
                failing = line !~ /;/
                return
            }
            if (skipped_definition || enumeration || line ~ /^ *\.(name|cost|n_inputs|n_outputs) = / || line ~ /prefetch/ ||
                line ~ /^ *(static )?(const )?char /)
                return
            for (at = 1; at <= length(line); at += step) {
                rest = substr(line, at)
                before = at > 1 ? substr(line, at - 1, 1) : " "
                step = 1
                if (match(rest, /^[A-Za-z_][A-Za-z_0-9]*/)) {
                    step = RLENGTH
                    token = substr(rest, 1, step)
                    if (token in name)
                        found(at, token, name[token])
                } else if (match(rest, /^(0x[0-9a-fA-F]+|[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?)[uUlLfF]*/)) {
                    step = RLENGTH
                    token = substr(rest, 1, step)
                    if (token ~ /^[0-9]+$/)
                        found(at, token, token + 1)
                    else
                        found(at, token, "(" token " + 1)")
                } else if (before == " " && match(rest, /^[-+*\/%&|<>=!]+/)) {
                    step = RLENGTH
                    token = substr(rest, 1, step)
                    after = substr(rest, step + 1, 1)
                    if ((after == " " || after == "") && token in operator)
                        found(at, token, operator[token])
                    else if (token == "-" || token == "!")
                        found(at, token, "(nothing)")
                } else if (before == "(" && match(rest, /^[-!][^-=]/)) {
                    found(at, substr(rest, 1, 1), "(nothing)")
                }
            }
        }
        END {
            for (f = 1; f in files; f++) {
                file = files[f]
                comment = skipped = failing = skipped_definition = enumeration = 0
                inside = defined = ""
                operation = "-"
                for (lines = 0; (getline < file) > 0;)
                    raw[++lines] = $0
                raw[lines + 1] = ""
                for (n = 1; n <= lines; n++)
                    mutate()
            }
        }
        { files[NR] = $0 }' <<<"$(sources)"
}

# Puts a number in front that depends on the seed and on everything but line and column; sorts by it.
shuffle() {
    awk -F '\t' -v seed="$seed" '
        BEGIN { for (i = 1; i < 256; i++) code[sprintf("%c", i)] = i }
        {
            key = seed "\t" $1 "\t" $4 "\t" $5 "\t" $7
            key = key "\t" ++times[key]
            hash = 5381
            for (i = 1; i <= length(key); i++)
                hash = (hash * 16807 + code[substr(key, i, 1)]) % 2147483647
            for (i = 0; i < 4; i++)
                hash = hash * 16807 % 2147483647
            printf "%010d\t%s\n", hash, $0
        }' | sort
}

if [ "$count" = list ]; then
    enumerate
    exit
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r src include "$work"

# A copy of the tree beside a build folder that is kept: what did not change is not compiled again.
mkdir -p "$folder/tree"
git ls-files --cached --others --exclude-standard | while read -r file; do
    if [ -e "$file" ]; then
        mkdir -p "$folder/tree/$(dirname "$file")"
        cmp -s "$file" "$folder/tree/$file" || cp "$file" "$folder/tree/$file"
    fi
done

# The tree may change meanwhile.
cd "$work"

build() {
    cmake --build "$folder/build" --target "$@" >"$work/build.log" 2>&1
}

# Fails when the test does, does not end, or a sanitizer complains in a process of its own.
passes() {
    CRITERION_JOBS=1 OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive \
        ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=0 \
        timeout -k 5 240 "$folder/build/tests/$1" >"$work/test.log" 2>&1 || return 1
    ! grep -qE 'AddressSanitizer|runtime error:|Assertion Failed' "$work/test.log"
}

# Without sanitizers a loop may go one too far unseen, and with the usual block no sample has two.
cmake -S "$folder/tree" -B "$folder/build" -G Ninja -DCMAKE_BUILD_TYPE=Debug \
    -DREEL_SANITIZE=ON -DCMAKE_C_FLAGS_DEBUG='-O1 -DREEL_BLOCK=64' \
    >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
build ops_values_f64 ops_registry_f64 || { cat "$work/build.log"; exit 1; }
passes ops_values_f64 || { cat "$work/test.log"; echo 'mutants: ops_values fails without any'; exit 1; }

tried=0 caught=0 listed=0 missed=0

# catches FILE TEST: TEST fails with the mutant of FILE, and passes without.
catches() {
    build "$2" && ! passes "$2" && sound "$1" "$2"
}

# own_test_catches FILE: whether a test of the file's name, or that of functions, does.
own_test_catches() {
    local name test
    name=$(basename "$1" .c)
    for test in "ops $name" "kern $name" 'ops functions'; do
        [ -e "$folder/tree/tests/${test/ //}.c" ] || continue
        catches "$1" "${test/ /_}_f64" && return
    done
    return 1
}

# sound FILE TEST: TEST passes with FILE as it is. Tried once, and only of tests that fail: the registry takes minutes.
declare -A verdicts=()
sound() {
    local mutant=$work/mutant.c
    if [ -z "${verdicts[$2]:-}" ]; then
        cp "$folder/tree/$1" "$mutant"
        cp "$1" "$folder/tree/$1"
        verdicts[$2]=unsound
        build "$2" && passes "$2" && verdicts[$2]=sound
        cp "$mutant" "$folder/tree/$1"
    fi
    [ "${verdicts[$2]}" = sound ]
}

# try FILE LINE COLUMN OLD NEW TEXT OPERATION: 0 when the mutant counted.
try() {
    local file=$1 line=$2 column=$3 old=$4 new=$5 text=$6 operation=$7 verdict
    local copy=$folder/tree/$file
    awk -v line="$line" -v column="$column" -v old="$old" -v new="$new" '
        NR == line { $0 = substr($0, 1, column - 1) new substr($0, column + length(old)) }
        { print }' "$file" >"$copy"
    if ! build ops_values_f64; then
        verdict=
    elif ! passes ops_values_f64; then
        verdict='caught by values'
    elif catches "$file" ops_registry_f64; then
        verdict='caught by registry'
    elif own_test_catches "$file"; then
        verdict='caught by its own'
    elif grep -qF "$(printf '%s\t%s\t%s\t%s\t' "$file" "$old" "$new" "$text")" "$equivalent"; then
        verdict='listed'
    else
        verdict='MISSED'
    fi
    cp "$file" "$copy"
    [ -n "$verdict" ] || return 1
    tried=$((tried + 1))
    case $verdict in
    caught*) caught=$((caught + 1)) ;;
    MISSED) missed=$((missed + 1)) ;;
    *) listed=$((listed + 1)) ;;
    esac
    printf '%-18s %s:%s [%s] "%s" -> "%s" in: %s\n' "$verdict" "$file" "$line" "$operation" "$old" "$new" "$text"
}

summary() {
    printf 'mutants: %d tried, %d caught, %d listed in tests/mutants.txt, %d missed\n' "$tried" "$caught" "$listed" "$missed"
    [ $((100 * caught)) -ge $((98 * (tried - listed))) ]
}

enumerate | shuffle >"$work/all"
if [ "$count" = only ]; then
    while IFS=$'\t' read -r hash file line column old new operation text; do
        [ "$new" != '(nothing)' ] || new=
        try "$file" "$line" "$column" "$old" "$new" "$text" "$operation" || true
    done < <(grep -E -- "$pattern" <(cut -f 2- "$work/all") | sort -V | sed 's/^/-\t/')
    summary
    exit
fi

while IFS=$'\t' read -r file text old new; do
    place=$(grep -nF -- "$text" "$file" | head -1)
    [ -n "$place" ] || { echo "mutants: $file has no line \"$text\""; exit 1; }
    rest=${place#*:}
    before=${rest%%"$old"*}
    try "$file" "${place%%:*}" $((${#before} + 1)) "$old" "$new" "$text" named || exit 1
done <<<"$named"

printf 'mutants: %d in all\n' "$(wc -l <"$work/all")"
cut -f 7 "$work/all" | sort -u | grep -vx -- - >"$work/operations"
: >"$work/done"

# draw FILE_OF_MUTANTS MOST: tries them in order until MOST counted.
draw() {
    local left=$2
    while [ "$left" -gt 0 ] && IFS=$'\t' read -r hash file line column old new operation text; do
        grep -qxF "$hash $file $line $column" "$work/done" && continue
        echo "$hash $file $line $column" >>"$work/done"
        [ "$new" != '(nothing)' ] || new=
        if try "$file" "$line" "$column" "$old" "$new" "$text" "$operation"; then
            left=$((left - 1))
        fi
    done <"$1"
}

if [ "$count" -ge $((tried + $(wc -l <"$work/operations"))) ]; then
    while read -r operation; do
        awk -F '\t' -v operation="$operation" '$7 == operation' "$work/all" >"$work/some"
        draw "$work/some" 1
    done <"$work/operations"
fi
draw "$work/all" $((count - tried))

summary
