#!/bin/bash
# overflow_test.sh LIBVTHR PROGRAM: what is said when a stack overflows, and that it is said only then.
lib=$1 program=$2
. "$(dirname "$0")/lib.sh"
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
unset LD_PRELOAD ${!VTHR_@}
ulimit -c 0
ulimit -s 512

report() # HOW STATUS: its report is in $dir/err
{
    { timeout -k 1 60 env LD_PRELOAD="$lib" "$program" "$1" 2>"$dir/err"; } 2>/dev/null
    local got=$?
    [[ $got == "$2" ]] || fail "$1: status $got, not $2"
}
says() # HOW PATTERN...: lines in this order, extended regular expressions, whole
{
    local how=$1 pattern line
    shift
    exec 3<"$dir/err"
    for pattern; do
        while IFS= read -r line <&3; do
            [[ $line =~ ^$pattern$ ]] && continue 2
        done
        fail "$how: no line '$pattern' (in this place) in:"
        cat "$dir/err"
        break
    done
    exec 3<&-
}

number='[1-9][0-9]*' hex='0x[0-9a-f]+'
who="vthr: stack overflow in vthread $number \(tid $number, \"net\?7\"\), started at worker \(tool_overflow\)"
where="    stack $hex to $hex \($number KiB\), stack pointer $hex, access to $hex"
at() { echo "    #$1 +$2\+$hex \($3\)"; }

report plain 139
says plain "$who" "$where" "$(at 0 deeper tool_overflow)" "$(at 1 deeper tool_overflow)" \
    "    \.\.\. repeated to #$number: $number times" "$(at "$number" worker tool_overflow)"
[[ $(tail -n 1 "$dir/err") == *" worker+"* ]] || fail "plain: the thread's first function is not the last: $(tail -n 1 "$dir/err")"
[[ $(wc -l <"$dir/err") -le 8 ]] || fail "plain: recursion is not folded"
[[ $(grep -c '^vthr:' "$dir/err") == 1 ]] || fail "plain: not one report"

report "in turn" 139
says "in turn" "$who" "    \.\.\. these 2 repeated to #$number: $number times" "$(at "$number" worker tool_overflow)"

report "in libc" 139
says "in libc" "$who" "    \.\.\. repeated to #$number: $number times" "$(at "$number" compare tool_overflow)" \
    "$(at "$number" "qsort(_r)?" 'libc.*')" "$(at "$number" worker tool_overflow)"

report main 139
says main "vthr: stack overflow in vthread 0 \(tid $number, \"tool_overflow\"\), the main thread" "$where" \
    "    \.\.\. repeated to #$number: $number times" "$(at "$number" main tool_overflow)"

report alternate 139
says alternate "$who" "    stack $hex to $hex \(64 KiB\), stack pointer $hex, access to $hex" \
    "    \.\.\. repeated to #$number: $number times" "$(at "$number" go_deeper tool_overflow)"

for how in "handled 7" "given up 139" "other fault 139"; do
    report "${how% *}" "${how##* }"
    [[ ! -s $dir/err ]] || fail "$how: something is said: $(cat "$dir/err")"
done
finish
