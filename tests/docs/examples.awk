# Makes a C file of the examples in a header's comments: awk -f examples.awk HEADER
#
# An example is a run of indented lines with a line that ends a statement. What begins in its first column with static,
# typedef, a struct or a # stays at the top of the file, all else becomes the body of a function. A line of three dots stands
# for anything. Fails when a header that declares something has no example.

function flush(   i, line, depth, top, open) {
    for (i = 1; i <= n && code[i] !~ /;( *\/\/.*)?$/; i++)
        ;
    if (i > n) {
        n = 0
        return
    }
    examples++
    for (i = 1; i <= n; i++) {
        line = code[i]
        if (line ~ /^ *\.\.\.$/)
            line = ""
        if (depth == 0 && line != "" && line !~ /^\/\//) {
            top = line ~ /^(static|typedef|#|struct [a-z_]+ {)/ || (top && line ~ /^[{ ]/)
            if (!top && !open) {
                open = 1
                printf "void example_%d(void);\nvoid example_%d(void)\n{\n", examples, examples
            } else if (top && open) {
                open = 0
                print "}"
            }
        }
        printf "#line %d \"%s\"\n%s\n", number[i], FILENAME, line
        depth += gsub(/{/, "{", line) - gsub(/}/, "}", line)
    }
    if (open)
        print "}"
    n = 0
}

/^REEL_API/ { declares = 1 }
{
    line = $0
    inside = line ~ /^\/\*/ || (inside && !ended)
    ended = sub(/ *\*\/ *$/, "", line)
    sub(/^(\/\*| \*) ?/, "", line)
    if (inside && (line ~ /^    +[^ ]/ || (n && line == ""))) {
        sub(/^    /, "", line)
        code[++n] = line
        number[n] = NR
        if (ended)
            flush()
    } else
        flush()
}

END {
    if (declares && !examples) {
        print FILENAME ": no comment has an example" > "/dev/stderr"
        exit 1
    }
}
