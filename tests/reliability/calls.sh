#!/bin/sh
# Writes a C function for every function of the public headers: it picks arguments by type and name, calls the function
# and gives the result away. calls.c, which includes it, says what is picked; a type that it does not know does not
# compile there.
#
#     sh calls.sh OUTPUT HEADER...
set -eu
output=$1
shift

# The order of names in a list must not depend on the locale.
LC_ALL=C awk '
# "const reel_var *xs" or "unsigned char state[N]": sets type, name and mangled.
function split_parameter(text,   stars, words, n, i) {
    if (sub(/\[[^]]*\]$/, "", text))
        text = text "@"
    stars = gsub(/\*/, " ", text) + gsub(/@/, "", text)
    gsub(/(^| )const( |$)/, " ", text)
    gsub(/(^| )const( |$)/, " ", text)
    n = split(text, words, " ")
    name = words[n]
    mangled = words[1]
    for (i = 2; i < n; i++)
        mangled = mangled "_" words[i]
    for (i = 0; i < stars; i++)
        mangled = mangled "_pointer"
}

function function_of(text,   open, head, list, parameters, n, i, call, declared, kind, given, inside) {
    gsub(/\/\*[^*]*\*\//, "", text)
    gsub(/[ \t]+/, " ", text)
    sub(/^REEL_API /, "", text)
    sub(/ REEL_PRINTF\(.*/, ";", text)
    sub(/\);.*/, "", text)
    open = index(text, "(")
    head = substr(text, 1, open - 1)
    list = substr(text, open + 1)
    sub(/, \.\.\.$/, "", list)
    # The one function that takes a function without a type of its own.
    sub(/double \(\*factor\)\(int64_t step, void \*user\)/, "factor_function factor", list)
    split_parameter(head)
    called = name
    result = mangled
    inside = list ~ /reel_onnx \*/ ? "IN_ONNX" : list ~ /reel_call|reel_sink/ ? "IN_RULE" : "OUTSIDE"
    n = list == "void" ? 0 : split(list, parameters, /, */)
    printf "static void call_%s(struct picker *k)\n{\n", called
    given = ""
    for (i = 1; i <= n; i++) {
        split_parameter(parameters[i])
        declared = parameters[i]
        sub(/\[[^]]*\]$/, "", declared)
        sub(/[a-z_0-9]+$/, (parameters[i] ~ /\]$/ ? "*" : "") "a" i, declared)
        if (mangled ~ /_options_pointer$/) {
            kind = mangled
            sub(/_options_pointer$/, "", kind)
            printf "    %s_options filled = %s_defaults();\n    %s = pick_options(k, &filled);\n", kind, kind, declared
        } else
            printf "    %s = pick_%s(k, \"%s\");\n", declared, mangled, name
        given = given (i > 1 ? ", " : "") "a" i
    }
    printf "    if (!is_called(k))\n        return;\n"
    call = sprintf("%s(%s)", called, given)
    if ((called ~ /_(new|open)(_|$)/ && result !~ /reel_(param|module)_pointer|char/) || result ~ /^struct_DL/)
        call = sprintf("made_%s(k, %s)", result, call)
    else if (result == "reel_status" || result == "reel_var")
        call = sprintf("give_%s(k, %s)", result, call)
    else if (result ~ /_pointer$/ && result != "char_pointer")
        call = sprintf("give_pointer(k, %s)", call)
    printf "    %s;\n}\n\n", call
    table = table sprintf("    {\"%s\", call_%s, %s},\n", called, called, inside)
}

# Its functions need MPI; tests/mpi calls them.
FILENAME ~ /\/mpi\.h$/ { next }
/^REEL_API/ { text = ""; reading = 1 }
reading { text = text " " $0 }
reading && /;/ { sub(/^ /, "", text); function_of(text); reading = 0 }

END {
    printf "static const struct function {\n    const char *name;\n    void (*call)(struct picker *k);\n"
    printf "    enum inside inside; /* what function of an operation calls it */\n} functions[] = {\n%s};\n", table
}
' "$@" >"$output"
