#!/bin/sh
# What is installed works elsewhere: moved to another folder, it is used in each way that README.md names.
#   sh tests/install.sh SOURCE BUILD C-COMPILER C++-COMPILER
# BUILD is a finished build; only what a project builds with reel in a folder of its own is compiled anew.
set -eu

source=$1 build=$2 cc=$3 cxx=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

fail() {
    echo "install: $1" >&2
    failed=1
}

# expect WHAT OUTPUT COMMAND...: it succeeds, and its output has OUTPUT in it.
expect() {
    what=$1 pattern=$2
    shift 2
    if ! "$@" >"$work/output" 2>&1 || ! grep -q -- "$pattern" "$work/output"; then
        fail "$what"
        cat "$work/output" >&2
    fi
}

# refused WHAT OUTPUT COMMAND...: it fails, and its output has OUTPUT in it.
refused() {
    what=$1 pattern=$2
    shift 2
    if "$@" >"$work/output" 2>&1 || ! grep -q -- "$pattern" "$work/output"; then
        fail "$what"
        cat "$work/output" >&2
    fi
}

cmake --install "$build" --prefix "$work/first" >"$work/log" || { cat "$work/log" >&2; exit 1; }
mkdir "$work/other"
mv "$work/first" "$work/other/reel"
prefix=$work/other/reel
modules=$(dirname "$(find "$prefix" -name reel.pc)")
libraries=${modules%/pkgconfig}
export PKG_CONFIG_PATH="$modules${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
! grep -rIl -e "$work/first" -e "$source" "$libraries/cmake" "$modules" || fail 'files name the folders that they came from'

# Names, versions, and where shared libraries look for others: only a BLAS outside the system's folders is named.
version=$(pkg-config --modversion reel)
for name in reel reel_f64; do
    file=$libraries/lib$name.so
    dynamic=$(readelf -dW "$file")
    [ -f "$libraries/lib$name.a" ] || fail "no lib$name.a"
    [ "$(readlink -f "$file")" = "$(readlink -f "$file.$version")" ] || fail "$file does not lead to version $version"
    soname=$(printf '%s\n' "$dynamic" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
    [ "$soname" = "lib$name.so.${version%.*}" ] || fail "$file calls itself $soname"
    [ -e "$libraries/$soname" ] || fail "there is no $soname"
    paths=$(printf '%s\n' "$dynamic" | sed -n 's/.*(R.*PATH).*\[\(.*\)\]/\1/p')
    case :$paths: in *"$build"* | *:/usr/lib*) fail "$file looks for libraries in $paths" ;; esac
    sh "$source/tests/exports.sh" "$cc" "$prefix/include" "$file" || failed=1
done

# The programs, which do not need the folder that they were built in.
for program in notebook cgan series; do
    expect "$program does not run where it was moved to" usage "$prefix/bin/$program" --help
    paths=$(readelf -dW "$prefix/bin/$program" | sed -n 's/.*(R.*PATH).*\[\(.*\)\]/\1/p')
    case $paths in *"$build"* | *"$work"*) fail "$program looks for libraries in $paths" ;; esac
done

# A line for the compiler, and pkg-config, against the shared libraries and the archives.
consumer=$source/tests/install/consumer.c
run="-Wl,-rpath,$libraries"
# shellcheck disable=SC2086 disable=SC2046
{
    "$cc" "$consumer" -I"$prefix/include" -L"$libraries" $run -lreel -o "$work/line"
    expect 'a line for the compiler' '32 bits' "$work/line"
    for name in reel reel_f64; do
        case $name in reel) bits=32 ;; reel_f64) bits=64 ;; esac
        "$cc" "$consumer" $(pkg-config --cflags --libs $name) $run -o "$work/shared_$name"
        expect "pkg-config, shared $name" "$bits bits" "$work/shared_$name"
        "$cc" "$consumer" $(pkg-config --static --cflags --libs $name | sed "s/-l$name\>/-l:lib$name.a/") -o "$work/static_$name"
        expect "pkg-config, archive of $name" "$bits bits" "$work/static_$name"
        ! readelf -d "$work/static_$name" | grep -q libreel || fail "static_$name needs a shared library of reel"
    done
    "$cxx" -x c++ "$consumer" -x none $(pkg-config --cflags --libs reel) $run -o "$work/cpp"
    expect 'a line for the C++ compiler' '32 bits' "$work/cpp"
    # The float headers and the double library do not go together.
    "$cc" "$consumer" $(pkg-config --cflags reel) $(pkg-config --libs reel_f64) $run -o "$work/mixed" 2>/dev/null &&
        refused 'headers of the other library' 'reel_f64' "$work/mixed"
}

# find_package: each kind, in a project in C and one in C++ alone.
# reel::watch, which serves both libraries: through pkg-config, shared and as an archive.
for name in reel_watch reel_watch_f64; do
    case $name in reel_watch) bits=32 library=reel ;; *) bits=64 library=reel_f64 ;; esac
    # shellcheck disable=SC2046
    {
        "$cc" "$source/tests/install/watcher.c" $(pkg-config --cflags --libs $name) "$run" -o "$work/shared_$name"
        expect "pkg-config, shared $name" "$bits bits\$" "$work/shared_$name" "$work/watched"
        "$cc" "$source/tests/install/watcher.c" -o "$work/static_$name" \
            $(pkg-config --static --cflags --libs $name | sed "s/-lreel_watch\>/-l:libreel_watch.a/; s/-l$library\>/-l:lib$library.a/")
        expect "pkg-config, archive of $name" "$bits bits\$" "$work/static_$name" "$work/watched"
    }
    ! readelf -d "$work/static_$name" | grep -q libreel || fail "static_$name needs a shared library of reel"
done
[ -f "$work/watched/report.html" ] || fail 'there is no report'
sh "$source/tests/exports.sh" "$cc" "$prefix/include" "$libraries/libreel_watch.so" reel/watch.h || failed=1

# reel::mpi, where it was built: with the compiler of MPI.
mpi=
if [ -f "$prefix/include/reel/mpi.h" ]; then
    mpi=';mpi'
    for name in reel_mpi reel_mpi_f64; do
        case $name in reel_mpi) bits=32 ;; *) bits=64 ;; esac
        # shellcheck disable=SC2046
        mpicc "$source/tests/install/ranks.c" $(pkg-config --cflags --libs $name) "$run" -o "$work/$name"
        expect "pkg-config, $name" "^1 ranks, $bits bits\$" "$work/$name"
    done
fi

export CC="$cc" CXX="$cxx"
for case in 'shared C' 'static C' 'static CXX'; do
    kind=${case% *} language=${case#* }
    folder=$work/find_${kind}_$language
    expect "find_package: $kind for $language does not build" . sh -c '
        cmake -G Ninja -S "$1" -B "$2" -DCMAKE_PREFIX_PATH="$3" -DLANGUAGE="$4" -DCOMPONENTS="f64;watch$6;$5" && cmake --build "$2"' - \
        "$source/tests/install/find" "$folder" "$prefix" "$language" "$kind" "$mpi"
    expect "find_package: $kind for $language" '32 bits' "$folder/consumer"
    expect "find_package: $kind for $language, f64" '64 bits' "$folder/consumer_f64"
    expect "find_package: $kind for $language, watch" '32 bits$' "$folder/watcher" "$work/watched"
    [ -z "$mpi" ] || expect "find_package: $kind for $language, mpi" '^1 ranks, 32 bits$' "$folder/ranks"
    [ -z "$mpi" ] || expect "find_package: $kind for $language, mpi and f64" '^1 ranks, 64 bits$' "$folder/ranks_f64"
    expect "find_package: $kind for $language, watch and f64" '64 bits$' "$folder/watcher_f64" "$work/watched"
done
refused 'find_package: a component that there is not' 'nonsense' cmake -G Ninja -S "$source/tests/install/find" -B "$work/find_shared_C" \
    -DCOMPONENTS=nonsense

# README.md, word by word: its lines for the compiler, and its two projects. Their flags come from the environment here, as
# they would from folders of the system. What is fetched is this folder, and unoptimised, because that is quick.
mkdir "$work/readme"
cp "$consumer" "$work/readme/main.c"
grep '^cc main\.c ' "$source/README.md" >"$work/readme/lines"
[ "$(wc -l <"$work/readme/lines")" -eq 2 ] || fail 'README.md has no longer two lines for the compiler'
while read -r line; do
    rm -f "$work/readme/main"
    (cd "$work/readme" && C_INCLUDE_PATH=$prefix/include LIBRARY_PATH=$libraries sh -c "$line") || fail "README.md: $line"
    expect "README.md: $line" '32 bits' env LD_LIBRARY_PATH="$libraries" "$work/readme/main"
done <"$work/readme/lines"
for start in 'cmake_minimum_required(VERSION 3.18)' 'cmake_minimum_required(VERSION 3.25)'; do
    sh "$source/tests/extract.sh" "$source/README.md" "$start" "$work/readme/CMakeLists.txt"
    rm -rf "$work/readme/build"
    expect "README.md: the project with $start does not build" . sh -c '
        cmake -G Ninja -S "$1" -B "$1/build" -DCMAKE_PREFIX_PATH="$2" -DFETCHCONTENT_SOURCE_DIR_REEL="$3" \
            -DCMAKE_BUILD_TYPE=Debug && cmake --build "$1/build"' - "$work/readme" "$prefix" "$source"
    expect "README.md: the project with $start" '32 bits' "$work/readme/build/main"
done
# The last of the two: only the library that it links.
[ -n "$(find "$work/readme/build" -name libreel.a)" ] || fail 'what is fetched is not built'
[ -z "$(find "$work/readme/build" -name 'libreel*.so*' -o -name '*f64*.o' -o -name 'cgan*')" ] || fail 'too much is built'

# A project that looks whether it is changed by having reel in a folder.
expect 'add_subdirectory' . cmake -G Ninja -S "$source/tests/install/subdirectory" -B "$work/subdirectory" -DREEL_SOURCE="$source"

exit $failed
