# Makes of a header in include/reel what Doxygen reads: awk -f docs/header.awk HEADER
#
# The headers are written for people, in plain comments, in front of what they are about or behind it. Here
# - the first comment, and those with an empty line behind them, become the file's;
# - a comment in front of several declarations that no empty line parts becomes that of each;
# - one behind or above several members that are declared together becomes that of each;
# - a member without one is described by the comment of its struct, if that names it;
# - options, the function for their defaults, and types that are not opened get a line where they have none;
# - indented lines become code, and names become links, so that Doxygen finds those that do not exist.

function prose(text,   out, name, before, after) {
    gsub(/[\\@<>&#%*~]/, "\\\\&", text)
    sub(/^ *[-+]/, "\\\\&", text)
    out = ""
    while (match(text, /(reel|REEL)_[A-Za-z0-9_]*[A-Za-z0-9]/)) {
        before = RSTART == 1 ? " " : substr(text, RSTART - 1, 1)
        name = substr(text, RSTART, RLENGTH)
        after = substr(text, RSTART + RLENGTH, 3)
        out = out substr(text, 1, RSTART - 1)
        # No names: parts of words and of paths, what stands for a family, libraries and variables of the environment.
        # Calls with arguments Doxygen would look for as they are.
        if (before ~ /[A-Za-z0-9_\/.]/ || after ~ /^(_|\.\.\.|\\<|\([^)])/ ||
            name ~ /^(reel_f64|REEL_F64|REEL_DETECT_ANOMALY)$/)
            out = out name
        else
            out = out "#" name
        text = substr(text, RSTART + RLENGTH)
    }
    return out text
}

# A comment's lines, text[1..n], as one of Doxygen's.
function document(n, head,   i, out, line, code) {
    out = head
    for (i = 1; i <= n; i++) {
        line = text[i]
        if (line ~ /^    +[^ ]/) {
            if (!code)
                out = out "@code{.c}\n"
            code = 1
            sub(/^    /, "", line)
        } else {
            if (code && line != "") {
                out = out "@endcode\n"
                code = 0
            }
            if (!code)
                line = prose(line)
        }
        out = out line "\n"
    }
    return "/** " out (code ? "@endcode\n" : "") "*/"
}

# Reads the rest of a comment that begins in `line`, without the marks, into text[1..n].
function comment(line,   ended) {
    n = 0
    sub(/^ *\/\* ?/, "", line)
    for (;;) {
        ended = sub(/ *\*\/.*$/, "", line)
        text[++n] = line
        if (ended || (getline line) <= 0)
            return
        if (line !~ /^ *\*\//)
            sub(depth ? "^ *([*] ?)?" : "^ [*]? ?", "", line)
    }
}

# Prints the members of one declaration, each with the comment, or none.
function members(line, about,   type, names, count, i, pointer) {
    if (line !~ /^ +[A-Za-z_0-9 ]+[ *]+[A-Za-z_0-9]+(\[[A-Za-z0-9_]*\])?(, [*A-Za-z_0-9]+(\[[A-Za-z0-9_]*\])?)*;$/) {
        sub(/,?$/, "& " about, line)
        print line
        return
    }
    sub(/;$/, "", line)
    count = split(line, names, /, /)
    type = names[1]
    sub(/[*]*[A-Za-z_0-9]+(\[[A-Za-z0-9_]*\])?$/, "", type)
    for (i = 1; i <= count; i++)
        printf "%s; %s%s", i == 1 ? names[1] : type names[i], about, i < count ? " " : "\n"
}

function joined(   i, out) {
    for (i = 1; i <= n; i++)
        out = out (i > 1 ? "\n" : "") prose(text[i])
    return out
}

# In the first column.
depth == 0 && /^\/\*/ {
    comment($0)
    if (text[1] ~ /^----/)
        next
    if (!files++ || (getline following) <= 0 || following == "") {
        print document(n, "@file\n")
        print ""
        next
    }
    shared = document(n, "")
    spoken = shared
    # What came behind the comment.
    $0 = following
}

# C alone.
/^#ifdef __cplusplus/ {
    while ((getline) > 0 && !/^#(else|endif)/)
        ;
    cpp = /else/
    next
}
cpp && /^#endif/ { cpp = 0; next }

# Inside of a struct or an enum.
depth > 0 && /^}/ { depth = 0; last = ""; print; next }
depth > 0 && /^ *\/\*/ {
    comment($0)
    above = last = joined()
    next
}
depth > 0 && /\/\*/ {
    line = $0
    at = index(line, "/*")
    comment(substr(line, at))
    line = substr(line, 1, at - 1)
    sub(/ +$/, "", line)
    last = joined()
    members(line, "/**< " last " */")
    above = ""
    next
}
depth > 0 {
    while (gsub(/\(/, "(") > gsub(/\)/, ")") && (getline following) > 0)
        $0 = $0 following
    if (above == "" && (match($0, /\([*][a-z_]+\)/) || match($0, /[A-Za-z_0-9]+(\[[A-Za-z0-9_]*\])?[;,]?$/))) {
        name = substr($0, RSTART, RLENGTH)
        gsub(/[(*)]|(\[.*)?[;,]?$/, "", name)
        if (name == "mark")
            above = "Set by the function for the defaults."
        else if ((spoken last) ~ "(^|[^A-Za-z0-9_])" name "([^A-Za-z0-9_]|$)")
            above = "As said above."
    }
    members($0, above == "" ? "" : "/**< " above " */")
    if (/;$|,$/)
        above = ""
    next
}

/^$/ { shared = spoken = ""; print; next }

# Declarations.
/^(REEL_API|typedef|enum|struct|static inline|#define)/ {
    about = shared
    if (about == "" && /_options \{$/)
        about = "/** Options, to begin with what the function for their defaults gives. */"
    else if (about == "" && /^typedef struct [a-z_0-9]+ [a-z_0-9]+;$/)
        about = "/** What is made, used and freed by the functions below. */"
    else if (about == "" && match($0, / reel_[a-z0-9_]+_defaults\(void\)/))
        about = "/** The defaults. */"
    if (about != "")
        print about
    if (/\{$/ && !/^static/) {
        depth = 1
        print
        next
    }
}
/^[A-Za-z].*;.*\/\*/ {
    at = index($0, "/*")
    line = substr($0, 1, at - 1)
    comment(substr($0, at))
    print line "/**< " joined() " */"
    next
}
{ print }
