#!/bin/bash
# smoke_test.sh VTHR: the launcher and the real library together.
vthr=$1 failed=0
unset LD_PRELOAD ${!VTHR_@}
fail() { echo "FAILED: $*"; failed=1; }

"$vthr" --strict true || fail "vthr true: status $?"
"$vthr" sh -c 'exit 42'
[[ $? == 42 ]] || fail "exit status is not passed on"
"$vthr" sh -c 'grep -q /libvthr.so /proc/$$/maps' || fail "the library is not loaded"
out=$("$vthr" sh -c 'echo out; echo err >&2' 2>&1)
[[ $out == $'out\nerr' ]] || fail "something was printed: $out"

# A bad setting: one line and a native run; with strictness, neither.
out=$(VTHR_CARRIERS=0 "$vthr" echo ran 2>&1)
[[ $out == $'vthr: VTHR_CARRIERS=0: must be 1 to 256: running natively\nran' ]] || fail "bad setting: $out"
out=$(VTHR_CARRIERS=0 "$vthr" --strict echo ran 2>&1)
[[ $? == 125 && $out == "vthr: VTHR_CARRIERS=0: must be 1 to 256" ]] || fail "strict: $out"
out=$(VTHR_CARRIERS=0 VTHR_DISABLE=1 VTHR_STRICT=1 "$vthr" echo ran 2>&1)
[[ $? == 0 && $out == ran ]] || fail "disabled: $out"
exit $failed
