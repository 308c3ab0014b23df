#!/bin/bash
# manual_test.sh VTHR PAGE: the manual page and vthr --help say the same.
vthr=$1 page=$2 failed=0
fail() { echo "FAILED: $*"; failed=1; }

help=$("$vthr" --help) || exit 1
settings=$(grep -oE '^  VTHR_[A-Z_]+' <<<"$help" | tr -d ' ' | sort)
options=$(grep -oE -e '--[a-z]+' <<<"$help" | sort -u)
[[ $(wc -l <<<"$settings") -ge 8 && $(wc -l <<<"$options") -ge 7 ]] || fail "help lacks something"

documented=$(sed -n 's/^\.BR \(VTHR_[A-Z_]*\) " (.*/\1/p' "$page" | sort)
[[ $settings == "$documented" ]] ||
    fail "settings differ: $(diff <(echo "$settings") <(echo "$documented"))"

for option in $options; do
    grep -qF -e "${option//-/\\-}" "$page" || fail "$option is not in the page"
done

# Range and default of each number, as the table has them.
while read -r name min max default; do
    grep -qE "^\.BR $name \" \($min to $max, default:? $default\)\"" "$page" ||
        fail "$name: not '$min to $max, default $default'"
done < <(sed -nE '/^  VTHR_.*\.\./{
    N
    s/^ *(VTHR_[A-Z_]*)=([0-9]+)\.\.([0-9]+)\n.*\(default: (.*)\)/\1 \2 \3 \4/p
}' <<<"$help")

version=$("$vthr" --version)
grep -q "^\.TH VTHR 1 .*\"libvthr ${version#vthr }\"" "$page" || fail "the page is not of $version"
exit $failed
