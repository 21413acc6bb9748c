# Takes a page of Markdown apart: awk -v out=FOLDER/NAME -f pages.awk PAGE
#
# Its ```c blocks become one program, FOLDER/NAME.c, in their order: what begins in its first column with static, typedef, enum,
# a struct or a # goes to the top, all else into main. A block that has a main of its own is a program of its own,
# FOLDER/NAME_K.c. What a program prints is said by the ```text blocks behind its parts: FOLDER/NAME.txt, FOLDER/NAME_K.txt.
# Lines of ```sh blocks go to FOLDER/NAME.sh. CMake's blocks are for
# tests/install.sh, those without a kind for the eye; a block of any other kind fails.

function write(file, i, text) {
    printf "#line %d \"%s\"\n%s\n", number[i], FILENAME, text > file
}

function take_c(   i, line, depth, top, file) {
    for (i = 1; i <= n; i++)
        if (block[i] ~ /^int main\(/) {
            program = out "_" ++programs
            for (i = 1; i <= n; i++)
                write(program ".c", i, block[i])
            close(program ".c")
            return
        }
    program = out
    for (i = 1; i <= n; i++) {
        line = block[i]
        if (depth == 0 && line != "")
            top = line ~ /^(static|typedef|enum|#|struct [a-z_]+ {)/ || (top && line ~ /^[{} ]/)
        if (top)
            write(out ".top", i, line)
        else
            write(out ".main", i, line)
        depth += gsub(/{/, "{", line) - gsub(/}/, "}", line)
    }
    parts = 1
}

/^```/ && !inside {
    inside = 1
    kind = substr($0, 4)
    n = 0
    next
}
/^```/ {
    inside = 0
    if (kind == "c")
        take_c()
    else if (kind == "text" && program != "")
        for (i = 1; i <= n; i++)
            print block[i] > (program ".txt")
    else if (kind == "sh")
        for (i = 1; i <= n; i++)
            print block[i] > (out ".sh")
    else if (kind !~ /^(cmake)?$/) {
        printf "%s:%d: a block of \"%s\" is tested by nothing\n", FILENAME, NR, kind > "/dev/stderr"
        failed = 1
    }
    next
}
inside { block[++n] = $0; number[n] = NR }

END {
    if (parts) {
        close(out ".top")
        close(out ".main")
        file = out ".c"
        print "#include <reel/reel.h>\n#include <math.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>" > file
        while ((getline line < (out ".top")) > 0)
            print line > file
        print "int main(void)\n{" > file
        while ((getline line < (out ".main")) > 0)
            print line > file
        print "}" > file
    }
    exit failed
}
