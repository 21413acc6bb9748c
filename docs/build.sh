#!/bin/sh
# The book and the reference as HTML, by Doxygen, whose warnings are errors: sh docs/build.sh [FOLDER]
# Without a folder, build/docs; html/index.html in it is where to begin.
set -eu
CDPATH='' cd -- "$(dirname -- "$0")/.."

command -v doxygen >/dev/null || { echo 'docs: there is no doxygen (sh tests/setup.sh docs installs it)' >&2; exit 1; }
output=${1:-build/docs}
mkdir -p "$output"
REEL_VERSION=$(sed -n 's/^#define REEL_VERSION_[MP][A-Z]* //p' include/reel/types.h | paste -sd.)
export REEL_VERSION REEL_OUTPUT="$output"
doxygen docs/Doxyfile
echo "docs: $output/html/index.html"
