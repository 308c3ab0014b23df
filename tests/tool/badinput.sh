#!/bin/bash
# badinput.sh LIB PROGRAM: bad settings and a system that lacks what the library needs. Each gives one line that starts with
# "vthr: ", and the program runs natively; under VTHR_STRICT it does not run at all.
unset LD_PRELOAD ${!VTHR_@}
lib=$(realpath "$1") program=$(realpath "$2") failed=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
ulimit -c 0

fail() { echo "FAILED: $*"; failed=1; }

# 10 threads and the main one.
native="tasks=11 sum=55"
out=$("$program")
[[ $? == 42 && $out == "$native" ]] || { echo "FAILED: natively: $out"; exit 1; }

# check LINES STATUS STDOUT WHAT COMMAND...: so many lines on stderr, each from the library
check() {
    local lines=$1 status=$2 out=$3 what=$4 got
    shift 4
    timeout 20 "$@" >"$work/out" 2>"$work/err" </dev/null
    got=$?
    [[ $got == "$status" ]] || fail "$what: status $got, not $status"
    [[ $(<"$work/out") == "$out" ]] || fail "$what: stdout '$(<"$work/out")', not '$out'"
    [[ $(wc -l <"$work/err") == "$lines" && $(grep -c '^vthr: ..' "$work/err") == "$lines" ]] ||
        fail "$what: stderr is not $lines lines: '$(<"$work/err")'"
}

# The library does work here, else what follows would say nothing.
out=$(env LD_PRELOAD="$lib" VTHR_CARRIERS=1 "$program" 2>&1)
[[ $? == 42 && $out == *sum=55 && $out != "$native" ]] || fail "good settings: '$out'"

for bad in VTHR_CARRIERS=0 VTHR_CARRIERS=100000 VTHR_CARRIERS=abc VTHR_CARRIERS=-1 VTHR_CARRIERS=99999999999999999999 \
    VTHR_SCHED=foo VTHR_SCHED=random:x VTHR_MIGRATE=maybe VTHR_NOSUCH=1; do
    check 1 42 "$native" "$bad" env LD_PRELOAD="$lib" "$bad" "$program"
    [[ $(<"$work/err") == *"${bad%%=*}"* ]] || fail "$bad: not named in '$(<"$work/err")'"
    check 1 125 "" "$bad, strict" env LD_PRELOAD="$lib" VTHR_STRICT=1 "$bad" "$program"
    check 0 42 "$native" "$bad, disabled" env LD_PRELOAD="$lib" VTHR_DISABLE=1 "$bad" "$program"
done
check 0 42 "$native" disabled env LD_PRELOAD="$lib" VTHR_DISABLE=1 "$program"

# No descriptors left when the pollers are made: a full table, and a table that is too small.
check 1 42 "$native" "full table" bash -c 'ulimit -n 40; LD_PRELOAD=$1 exec "$2" full' - "$lib" "$program"
check 1 125 "" "full table, strict" bash -c 'ulimit -n 40; LD_PRELOAD=$1 VTHR_STRICT=1 exec "$2" full' - "$lib" "$program"
# Descriptor 3 is the program's directory, 4 may be used to load a library; no more.
check 1 42 "$native" "5 descriptors" bash -c 'ulimit -n 5; LD_PRELOAD=$1 exec "$2"' - "$lib" "$program"

# Without libev: an empty file in its place, in a mount namespace of our own.
ev=$(ldconfig -p 2>/dev/null | sed -n 's/.*libev\.so\.4 .*=> //p' | head -1)
: >"$work/empty"
hide='mount --bind "$1" "$(realpath "$2")" || exit 77; shift 2; exec "$@"'
if [[ $ev ]] && unshare -m bash -c "$hide" - "$work/empty" "$ev" true 2>/dev/null; then
    check 1 42 "$native" "no libev" unshare -m bash -c "$hide" - "$work/empty" "$ev" env LD_PRELOAD="$lib" "$program"
    [[ $(<"$work/err") == *libev* ]] || fail "no libev: not named in '$(<"$work/err")'"
    check 1 125 "" "no libev, strict" \
        unshare -m bash -c "$hide" - "$work/empty" "$ev" env LD_PRELOAD="$lib" VTHR_STRICT=1 "$program"
else
    echo "no private mounts here: not tried without libev"
fi
[[ $failed == 0 ]] && echo ok
exit $failed
