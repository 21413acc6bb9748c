#!/bin/sh
# The programs in README.md and in the book compile, run, and print what the pages say; what these name exists.
#   sh pages.sh SOURCE BUILD C-COMPILER
set -eu

source=$1 build=$2 cc=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

fail() {
    echo "pages: $1" >&2
    failed=1
}

# Programs. A page about gradient checks is in double, one about reel::watch needs that.
for page in "$source"/README.md "$source"/docs/*.md; do
    name=$(printf %s "${page#"$source"/}" | tr / _)
    awk -v out="$work/$name" -f "$source/tests/docs/pages.awk" "$page" || failed=1
    library=reel flags=
    if grep -q -- '-DREEL_F64' "$page" && [ "$name" != README.md ]; then library=reel_f64 flags=-DREEL_F64; fi
    libraries=$build/lib$library.so
    ! grep -q '^#include <reel/watch.h>' "$page" || libraries="$build/libreel_watch.so $libraries"
    # And one about reel::mpi needs MPI, whose library is in REEL_MPI_LIBRARIES where there is one.
    if grep -q '^#include <reel/mpi.h>' "$page"; then
        [ -n "${REEL_MPI_LIBRARIES-}" ] || continue
        libraries="$build/libreel_mpi.so $REEL_MPI_LIBRARIES $libraries"
    fi
    for program in "$work/$name".c "$work/${name}"_*.c; do
        [ -f "$program" ] || continue
        base=${program%.c}
        # shellcheck disable=SC2086
        "$cc" -std=c11 -D_GNU_SOURCE -O1 $flags -Wall -Wextra -Werror -Wno-unused-variable -Wno-unused-but-set-variable \
            -Wno-unused-function -I"$source/include" "$program" $libraries -Wl,-rpath,"$build" -lm -o "$base" ||
            { fail "$page does not compile"; continue; }
        mkdir -p "$base.folder"
        if ! (cd "$base.folder" && timeout 120 "$base") >"$base.printed" 2>"$base.errors"; then
            fail "a program of $page fails"
            cat "$base.errors" >&2
        fi
        touch "$base.txt"
        diff -u "$base.txt" "$base.printed" >&2 || fail "a program of $page prints something else"
    done
done

# Commands. Lines for the compiler and what is installed are run by install.sh; the demo, the tests and the builds take minutes,
# so of them this looks whether what they name is there.
for script in "$work"/*.sh; do
    [ -f "$script" ] || continue
    for preset in $(grep -oE -- '--preset [a-z]+' "$script" | sort -u | sed 's/--preset //'); do
        grep -q "\"name\": \"$preset\"" "$source/CMakePresets.json" || fail "${script##*/}: there is no preset $preset"
    done
    for file in $(grep -oE '\b(models|tests|bench|docs|cmake|examples)/[a-z_/.-]+' "$script" | sort -u); do
        [ -e "$source/$file" ] || [ -e "$build/$file" ] || fail "${script##*/}: there is no $file"
    done
done

# Names.
cat "$source"/include/reel/*.h "$source"/include/reel/*/*.h | grep -oE '(reel|REEL)_[A-Za-z0-9_]+' | sort -u >"$work/known"
# Of CMake, of the environment, programs and files; and the arguments of macros.
grep -ohE '(reel|REEL)_[A-Za-z0-9_]+' "$source"/CMakeLists.txt "$source"/cmake/* "$source"/bench/CMakeLists.txt >>"$work/known"
echo REEL_DETECT_ANOMALY >>"$work/known"
for page in "$source"/README.md "$source"/docs/*.md "$source"/docs/man/*; do
    # A name with a * behind it stands for a family.
    for name in $(grep -oE '(reel|REEL)_[A-Za-z0-9_]+(\*|\.\.\.)?' "$page" | sort -u); do
        case $name in
        *\* | *...) grep -q "^$(printf '%s' "$name" | sed 's/[*.]*$//')" "$work/known" || fail "$page names $name, which there is not" ;;
        *_) ;;
        *) grep -qx -- "$name" "$work/known" || fail "$page names $name, which there is not" ;;
        esac
    done
done

# README.md names each header.
for header in "$source"/include/reel/*.h; do
    grep -q "\`${header##*/}\`" "$source/README.md" || fail "README.md does not name ${header##*/}"
done

# Each page is a chapter of the book.
for page in "$source"/docs/*.md; do
    name=${page##*/}
    [ "$name" = README.md ] || grep -q "($name)" "$source/docs/README.md" || fail "docs/README.md does not name $name"
    grep -q "docs/$name" "$source/docs/Doxyfile" || fail "docs/Doxyfile does not name $name"
done

# Files that pages link to or name in a path.
for page in "$source"/README.md "$source"/docs/*.md "$source"/CONTRIBUTING.md "$source"/examples/README.md; do
    for link in $(grep -oE '\]\([^)#]+' "$page" | sed 's/^](//' | grep -v '^https*:' | sort -u); do
        [ -e "$(dirname "$page")/$link" ] || fail "$page links to $link, which there is not"
    done
done

exit $failed
