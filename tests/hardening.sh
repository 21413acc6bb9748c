#!/bin/sh
# Programs and shared libraries are linked so that a fault in them is hard to use: sh tests/hardening.sh FILE...
set -eu

failed=0
check() { # FILE WHAT PATTERN TEXT
    if ! printf '%s\n' "$4" | grep -qE "$3"; then
        echo "hardening: $1: $2" >&2
        failed=1
    fi
}

for file in "$@"; do
    dynamic=$(readelf -dW "$file") segments=$(readelf -lW "$file") symbols=$(readelf --dyn-syms -W "$file")
    check "$file" 'its address is fixed' '^Elf file type is DYN' "$segments"
    case $file in
    *.so | *.so.*) ;;
    *) check "$file" 'not linked as a position-independent program' '\(FLAGS_1\).*PIE' "$dynamic" ;;
    esac
    check "$file" 'no read-only relocations' 'GNU_RELRO' "$segments"
    check "$file" 'functions are bound while it runs' '\(FLAGS_1\).*NOW' "$dynamic"
    check "$file" 'its stack can be executed' 'GNU_STACK .* RW +0x' "$segments"
    check "$file" 'no stack protector' ' UND __stack_chk_fail(@|$)' "$symbols"
    check "$file" 'no checked functions of libc' ' UND __[a-z]+_chk(@|$)' "$symbols"
done
exit $failed
