# sh extract.sh FILE START OUTPUT: writes the example in a header's comment, or in a page's block, whose first line has
# START in it.
mkdir -p "$(dirname "$3")" && awk -v start="$2" '
    index($0, start) { on = 1; comment = /^ \*/ }
    on && /^```/ { exit }
    on { last = comment && sub(/ ?\*\/$/, ""); if (comment) sub(/^ \* ? ? ? ? ?/, ""); print; if (last) exit }' \
    "$1" > "$3"
