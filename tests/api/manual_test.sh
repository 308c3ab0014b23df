#!/bin/bash
# manual_test.sh LIB DIR HEADER: each function that HEADER declares and LIB exports has a page in DIR/man3, of which groff and man have
# nothing to complain of, and which says what a page must.
lib=$1 dir=$2 header=$3 failed=0
export LC_ALL=C
fail() { echo "FAILED: $*"; failed=1; }

cd "$dir" || exit 1
exported=$(nm -D --defined-only "$lib" | awk '$2 == "T" && $3 ~ /^vthr_/ { sub(/@.*/, "", $3); print $3 }' | sort)
declared=$(grep -oE '^[a-z].*[ *]vthr_[a-z_]+\(' "$header" | grep -v '^typedef' | grep -oE 'vthr_[a-z_]+\($' | tr -d '(' | sort)
[[ $(wc -w <<<"$declared") -gt 50 ]] || fail "the list of functions is too short to be true"
for f in $(comm -12 <(echo "$exported") <(echo "$declared")) $(grep -oE '^vthr_on_[a-z]+' <<<"$declared") VTHR_EACH VTHR_LOCAL VTHR_MS VTHR_S VTHR_NEVER vthr; do
    [[ -s man3/$f.3 ]] || { fail "$f has no page"; continue; }
    page=man3/$f.3
    read -r first other <"$page"
    [[ $first == .so ]] && page=$other
    [[ -s $page ]] || { fail "$f.3 is a link to nothing"; continue; }
    for part in NAME SYNOPSIS DESCRIPTION "SEE ALSO"; do
        grep -qx ".SH $part" "$page" || fail "$page has no $part"
    done
    sed -n '/^\.SH NAME/{n;s/\\f[BP]//g;p}' "$page" | grep -qE "(^|, )$f(,.*)? \\\\- ." || fail "$page does not say in a line what $f does"
done
for f in $(comm -13 <(echo "$declared") <(echo "$exported")); do
    grep -qw "$f" "$header" && fail "$f is in the header, but not found as a function"
done
complain() { "$@" 2>&1 >/dev/null | head -3; }
command -v groff >/dev/null && said=$(complain groff -s -man -ww -Tascii man3/*.3) && [[ $said ]] && fail "groff: $said"
command -v man >/dev/null && said=$(complain man -l --warnings man3/vthr_select.3) && [[ $said ]] && fail "man: $said"
exit $failed
