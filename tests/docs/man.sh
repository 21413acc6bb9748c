#!/bin/sh
# The pages of the manual are as mandoc wants them, and the program in reel(7) compiles: sh man.sh SOURCE BUILD C-COMPILER
set -eu

mandoc -Tlint -Wwarning "$1"/docs/man/*
sed -n '/^\.Bd/,/^\.Ed/{/^\./!p}' "$1/docs/man/reel.7" | sed 's/\\e/\\/g' |
    "$3" -std=c11 -fsyntax-only -Wall -Wextra -Werror -I"$1/include" -x c -
