#!/bin/bash
# stats_test.sh LIBVTHR PROGRAM PAGE: the counters count, and the manual page names them all.
lib=$1 program=$2 page=$3
. "$(dirname "$0")/lib.sh"
unset LD_PRELOAD ${!VTHR_@}

out=$(timeout -k 1 60 env VTHR_STATS=1 VTHR_CARRIERS=1 LD_PRELOAD="$lib" "$program" 2>&1) || fail "status $?: $out"
grep -qv '^vthr: .*: [0-9]*$' <<<"$out" && fail "other lines: $out"

value() { sed -n "s/^vthr: $1: //p" <<<"$out"; }
# A thread whose processor was handed off, as may happen under load, does not count: so these are limits.
within()
{
    local got
    got=$(value "$1")
    [[ $got -ge $2 && $got -le $3 ]] || fail "$1 is '$got', not $2 to $3"
}

within processors 1 1
within spawns 1 10
within "live vthreads" 1 1
within "parks for sleep" 1 12
within "parks for read" 1 20
within "timers set" 1 12
within "timers expired" 1 12
within "timers pending" 0 0
within "timers pending at most" 1 12
within switches 10 1000
within "pollers' epoll_wait" 1 1000
within "pollers' sleeps with a deadline" 1 1000
within stacks 10 20
within "stacks' address space, KiB" 80 1000000000
within "stacks' memory, KiB" 4 10000
sum=0
while read -r n; do
    sum=$((sum + n))
done < <(sed -n 's/^vthr: parks for .*: //p' <<<"$out")
within parks "$sum" "$sum"

# "thread pointers mended" is printed only where that is done, and estimates only of many stacks.
printed=$(sed -E 's/^vthr: (.*): [0-9]+$/\1/; s/^(parks for ).*/\1/' <<<"$out" | sort -u)
documented=$(sed -n '/^\.SH COUNTERS/,/^\.SH EXIT/p' "$page" | sed -nE 's/^\.B //p; s/^\.BI "(.*)" WHAT/\1/p' | sort -u)
[[ $(comm -23 <(echo "$printed") <(echo "$documented")) == "" ]] || fail "not in the page: $(comm -23 <(echo "$printed") <(echo "$documented"))"
missing=$(comm -13 <(echo "$printed") <(echo "$documented") | grep -vx -e 'thread pointers mended' -e 'VTHR_.*')
[[ $missing == "" ]] || fail "in the page only: $missing"
finish
