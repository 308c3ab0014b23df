#!/bin/bash
# rows_test.sh PAGE DIR...: every name that the tables of PAGE (docs/compatibility.md) say is replaced is called by a program that runs
# natively and under the library, with the same result (the programs in DIRs: tests/preload, tests/posix).
#
# A name counts as called when a program imports it, or has it as a string for dlsym.  What stays libc's own is called under names that
# the compiler chooses: such rows need one.
page=$1
shift
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
. "$(dirname "$0")/lib.sh"
export LC_ALL=C

# ROW NAME OWN for each name of each row; a row is known by its first name; OWN: 1 where the name stays libc's own.
awk -F'|' '/^\| `|^\| the same/ && NF >= 4 {
    gsub(/^ +| +$/, "", $3)
    if ($3 ~ /^not replaced/) next
    n = split($2, part, "`")
    for (i = 2; i <= n; i += 2)
        if (part[i] ~ /^[a-z_][A-Za-z0-9_]*$/)
            print part[2] "\t" part[i] "\t" ($3 ~ /^libc.s/)
}' "$page" | sort -u >"$dir/rows"
[[ $(cut -f1 "$dir/rows" | sort -u | wc -l) -gt 50 && $(wc -l <"$dir/rows") -gt 300 ]] || fail "the list is too short to be true"

find "$@" -maxdepth 1 -type f -executable ! -name '*.so' >"$dir/programs"
[[ $(wc -l <"$dir/programs") -gt 50 ]] || fail "there are too few programs in $*"
xargs -d '\n' nm -D --undefined-only <"$dir/programs" 2>/dev/null | awk '$1 == "U" { sub(/@.*/, "", $2); print $2 }' | sort -u >"$dir/called"

named() { xargs -d '\n' grep -qazxF -- "$1" <"$dir/programs"; }

awk -F'\t' 'NR == FNR { called[$1] = 1; next } { print $0 "\t" ($2 in called) }' "$dir/called" "$dir/rows" >"$dir/all"
while IFS=$'\t' read -r row name own called; do
    ((own || called)) || named "$name" || fail "$name (row of $row): no test calls it"
done <"$dir/all"
while read -r row; do
    fail "row of $row: no test calls any of its names"
done < <(awk -F'\t' '{ n[$1] += $4; seen[$1] } END { for (r in seen) if (!n[r]) print r }' "$dir/all")
finish
