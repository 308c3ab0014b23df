#!/bin/bash
# light_test.sh LIB LIGHT EMPTY: what the library costs a program that makes no thread.
lib=$1 light=$2 empty=$3
. "$(dirname "$0")/lib.sh"
export LC_ALL=C

needed=$(readelf -d "$lib" | awk '/NEEDED/ { print $NF }')
[[ $needed == '[libc.so.6]' ]] || fail "other libraries are loaded with it: $needed"

# Symbols that the dynamic linker looks up whenever a program starts: none of them our own.
looked_up=$(readelf -rW "$lib" | awk '$3 ~ /GLOB_DAT|JUMP_SLOT|R_X86_64_64/' | wc -l)
((looked_up < 80)) || fail "$looked_up symbols are looked up when a program starts"

"$light" "$lib" "$empty" /bin/true
case $? in
0) ;;
77) echo "page faults were not counted" ;;
*) fail "a program's start is not as light as it was" ;;
esac
finish
