#!/bin/bash
# valgrind_test.sh LIB CHECKED: Valgrind's memcheck sees the library's changes of stacks for what they are.
lib=$1 checked=$2
. "$(dirname "$0")/lib.sh"
export LC_ALL=C
command -v valgrind >/dev/null || { echo "no valgrind"; exit 77; }
# Natively: is it usable here at all?
[[ $(valgrind -q --error-exitcode=9 "$checked" 2>/dev/null) == ok ]] || { echo "valgrind finds errors natively"; exit 77; }

for size in 16384 65536 8388608; do
    for carriers in 1 2; do
        said=$(VTHR_CARRIERS=$carriers LD_PRELOAD=$lib timeout 200 valgrind --error-exitcode=9 "$checked" $size 2>&1)
        status=$?
        [[ $status == 0 && $said == *$'\nok\n'* ]] || fail "stacks of $size, $carriers carriers: status $status: $(tail -n 3 <<<"$said")"
        [[ $said == *'switching stacks'* ]] && fail "stacks of $size, $carriers carriers: $(grep -m 1 'switching stacks' <<<"$said")"
        [[ $said == *'Unrecognised instruction'* ]] && fail "an instruction that valgrind does not know"
    done
done
finish
