#!/bin/sh
# Installs the Debian packages that reel needs and that are not there yet.
#
#   sh tests/setup.sh GROUP...      build: compile the library and the programs    data: pictures to train on
#                                   test: compile and run the tests                ci: what .ci/run needs besides
#                                   docs: make the book and the reference          browser: look at reports in Chromium
#                                   mpi: compile and test reel::mpi, with Open MPI and MPICH
#
# Does nothing, and needs no rights, when every package is installed.
set -eu

build='gcc g++ cmake ninja-build libc6-dev libopenblas-pthread-dev librandom123-dev zlib1g-dev libpng-dev libbenchmark-dev pkgconf'
data='dataset-fashion-mnist'
test='libcriterion-dev'
browser='chromium'
mpi='libopenmpi-dev openmpi-bin libmpich-dev mpich'
ci='ccache clang clang-format libclang-rt-14-dev libomp-dev llvm valgrind'
docs='doxygen mandoc'

fail() {
    printf 'setup: %s\n' "$1" >&2
    exit 1
}

wanted=
for group in "$@"; do
    case $group in
    build) wanted="$wanted $build" ;;
    data) wanted="$wanted $data" ;;
    test) wanted="$wanted $test" ;;
    browser) wanted="$wanted $browser" ;;
    mpi) wanted="$wanted $mpi" ;;
    ci) wanted="$wanted $ci" ;;
    docs) wanted="$wanted $docs" ;;
    *) fail "there is no group \"$group\", only build, data, test, mpi, ci, docs and browser" ;;
    esac
done
[ -n "$wanted" ] || fail 'name one or more of the groups build, data, test, mpi, ci, docs and browser'

missing=
for package in $wanted; do
    if ! dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed; then
        missing="$missing $package"
    fi
done
[ -n "$missing" ] || exit 0

command -v apt-get >/dev/null || fail "there is no apt-get here; install what your system calls these by hand:$missing"
as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "only root can install packages, and there is no sudo; missing:$missing"
    as_root=sudo
fi

printf 'setup: installing%s\n' "$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# A source that cannot be reached matters only if the packages cannot be had without it.
$as_root apt-get -q update >"$log" 2>&1 || true
# shellcheck disable=SC2086
if ! $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120 \
    install --no-install-recommends $missing >>"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    fail "apt-get could not install$missing"
fi
