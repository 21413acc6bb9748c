# sh extract.sh FILE START: the example in a header's comment, or in a page's block, that begins where START is first.
awk -v start="$2" '
    index($0, start) { on = 1; comment = /^ \*/ }
    on && /^```/ { exit }
    on { last = comment && sub(/ ?\*\/$/, ""); if (comment) sub(/^ \* ? ? ? ? ?/, ""); print; if (last) exit }' "$1"
