#!/bin/bash
# streams_test.sh LIBVTHR PROGRAM: threads that wait in stdio cost no kernel threads, and a stream's lock held by a parked one stalls
# nobody, though all carriers wait for it.
lib=$1 program=$2 failed=0
unset LD_PRELOAD ${!VTHR_@}

expect() { # WHAT WANT VAR=VALUE...
    local what=$1 want=$2 got
    shift 2
    got=$(timeout -k 1 40 env "$@" LD_PRELOAD="$lib" "$program" 2>/dev/null)
    [[ $? == 0 && $got == "$want" ]] || { echo "FAILED: $what: $got"; failed=1; }
}
expect "one carrier" "few kernel threads, good: 300" VTHR_CARRIERS=1
expect "two carriers" "few kernel threads, good: 300" VTHR_CARRIERS=2
expect "disabled" "as many kernel threads, good: 300" VTHR_DISABLE=1
exit $failed
