# sh opening.sh FOLDER...: every C and C++ file below begins with a comment that says what may live there.
status=0
for file in $(find "$@" -name '*.c' -o -name '*.h' -o -name '*.cpp' -o -name '*.hpp'); do
    head -n 1 "$file" | grep -Eq '^(/\*|//) [^ ].{7,}' && continue
    echo "$file: the first line does not say what the file is for"
    status=1
done
exit $status
