# Makes of a page of the book what Doxygen reads: awk -f docs/page.awk PAGE
#
# Names of reel's that are or begin a code span, and links to headers, become links into the reference; links to other files outside of
# docs, which the pages do not contain, become their text.

/^```/ { code = !code }
code || /^    / { print; next }
{
    while (match($0, /\]\(\.\.\/include\/reel\/[a-z_\/]+\.h\)/)) {
        name = substr($0, RSTART + 2, RLENGTH - 3)
        sub(/.*\//, "", name)
        $0 = substr($0, 1, RSTART - 1) "](@ref " name ")" substr($0, RSTART + RLENGTH)
    }
    while (match($0, /\[[^]]*\]\(\.\.\/[^)]*\)/)) {
        text = substr($0, RSTART + 1, RLENGTH - 2)
        sub(/\].*/, "", text)
        $0 = substr($0, 1, RSTART - 1) text substr($0, RSTART + RLENGTH)
    }
    if (!/^#/) {
        line = $0
        $0 = ""
        while (match(line, /`(reel|REEL)_[A-Za-z0-9_]+[`(]/)) {
            name = substr(line, RSTART + 1, RLENGTH - 2)
            call = substr(line, RSTART + RLENGTH - 1, 1) == "(" ? "`(" : ""
            # Neither CMake's and the environment's, nor parts of names, nor libraries.
            known = name !~ /^(REEL_(BLAS|PROGRAMS|TESTS|BENCH|WATCH|ZLIB|INSTALL|DETECT|F64)|reel_f64|reel_bench|reel_watch)|_$/
            $0 = $0 substr(line, 1, RSTART - 1) (known ? "[" name "](@ref " name ")" call : "`" name (call ? "(" : "`"))
            line = substr(line, RSTART + RLENGTH)
        }
        $0 = $0 line
    }
    print
}
