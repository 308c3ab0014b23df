#!/bin/bash
# rows_test.sh PAGE DIR...: every name that the tables of PAGE (docs/compatibility.md) say is replaced is called by a program that runs
# natively and under the library, with the same result (the programs in DIRs: tests/preload, tests/posix).
#
# A name counts as called when a program imports it.  Names of streams are libc's own, and count too: they are in the rows "Streams".
page=$1
shift
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
. "$(dirname "$0")/lib.sh"
export LC_ALL=C

# ROW NAME for each name of each row; a row is known by its first name.
awk -F'|' '/^\| `|^\| the same/ && NF >= 4 {
    gsub(/^ +| +$/, "", $3)
    if ($3 ~ /^not replaced/) next
    n = split($2, part, "`")
    for (i = 2; i <= n; i += 2)
        if (part[i] ~ /^[a-z_][A-Za-z0-9_]*$/)
            print part[2] "\t" part[i]
}' "$page" | sort -u >"$dir/rows"
[[ $(cut -f1 "$dir/rows" | sort -u | wc -l) -gt 50 && $(wc -l <"$dir/rows") -gt 300 ]] || fail "the list is too short to be true"

find "$@" -maxdepth 1 -type f -executable ! -name '*.so' >"$dir/programs"
[[ $(wc -l <"$dir/programs") -gt 50 ]] || fail "there are too few programs in $*"
xargs -d '\n' nm -D --undefined-only <"$dir/programs" 2>/dev/null | awk '$1 == "U" { sub(/@.*/, "", $2); print $2 }' | sort -u >"$dir/called"

awk -F'\t' 'NR == FNR { called[$1] = 1; next } !($2 in called)' "$dir/called" "$dir/rows" >"$dir/missing"
while IFS=$'\t' read -r row name; do
    fail "$name (row of $row): no test calls it"
done <"$dir/missing"
finish
