#!/bin/bash
# exports_test.sh LIB PAGE CALLS: the tables of PAGE (docs/compatibility.md) against what the library exports.
#
# Every exported name is in a table with a treatment; every name in a table is exported, unless its treatment is "not replaced" or
# "libc's"; no name is in two rows; every call of the list CALLS (those that can wait, and cancellation points) is in a table.
lib=$1 page=$2 calls=$3
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
. "$(dirname "$0")/lib.sh"
export LC_ALL=C

# NAME TREATMENT for each name in the first column of a row.  What has anything but a name between its backquotes is no name.
awk -F'|' '/^\| `|^\| the same/ && NF >= 4 {
    gsub(/^ +| +$/, "", $3)
    n = split($2, part, "`")
    for (i = 2; i <= n; i += 2)
        if (part[i] ~ /^[a-z_][A-Za-z0-9_]*$/)
            print part[i] "\t" $3
}' "$page" | sort -u >"$dir/table"
cut -f1 "$dir/table" | sort >"$dir/names"
grep -vP '\t(not replaced|libc.s)' "$dir/table" | cut -f1 | sort -u >"$dir/replaced"
nm -D --defined-only "$lib" | awk '$2 ~ /[TWDBR]/ { sub(/@.*/, "", $3); print $3 }' | grep -vE '^vthr_|^GLIBC_' | sort -u >"$dir/exports"
[[ $(wc -l <"$dir/exports") -gt 200 && $(wc -l <"$dir/replaced") -gt 200 ]] || fail "the lists are too short to be true"

none() # WHAT NAME...
{
    local what=$1 name
    for name in "${@:2}"; do fail "$name: $what"; done
}
none "exported, but not in the tables as replaced" $(comm -23 "$dir/exports" "$dir/replaced")
none "in the tables as replaced, but not exported" $(comm -13 "$dir/exports" "$dir/replaced")
none "in two rows" $(uniq -d "$dir/names")
none "can wait, and is not in the tables" \
    $(grep -v '^#' "$calls" | tr -s ' ' '\n' | grep . | sort -u | comm -23 - <(sort -u "$dir/names"))
finish
