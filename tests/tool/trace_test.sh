#!/bin/bash
# trace_test.sh LIBVTHR PROGRAM WAITING: the event trace: of a process that ends, of one that is killed, of two that name the same file.
# WAITING prints a line, and waits.
lib=$1 program=$2 waiting=$3 check=$(dirname "$0")/trace_check.py
. "$(dirname "$0")/lib.sh"
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
unset LD_PRELOAD ${!VTHR_@}
python3 -c '' || exit 77

traced() { timeout -k 1 60 env VTHR_TRACE="${dir:+$dir/}$1" LD_PRELOAD="$lib" VTHR_CARRIERS="$2" "$program" 2>&1; }

for carriers in 1 2; do
    said=$(traced "t$carriers" $carriers) || fail "status $?"
    [[ ! $said ]] || fail "something is said: $said"
    python3 "$check" "$dir/t$carriers" || fail "with $carriers"
done

# What an earlier process left goes.
traced t1 1 && python3 "$check" "$dir/t1" || fail "written again"

# One that is there is not touched while another process writes it.
exec 5>"$dir/taken"
flock 5
traced taken 1 || fail "status $? beside another"
[[ ! -s $dir/taken ]] || fail "another's file is written"
python3 "$check" "$dir"/taken.* || fail "beside another"
exec 5>&-

said=$(traced no/such/directory 1) || fail "status $? without a file"
[[ $said == "vthr: VTHR_TRACE=$dir/no/such/directory: cannot be written" ]] || fail "without a file: $said"

# A full disk: one line, and the program goes on.
if [[ -c /dev/full ]]; then
    said=$(dir= traced /dev/full 1) || fail "status $? on a full disk"
    [[ $said == "vthr: VTHR_TRACE=/dev/full: cannot be written any further: the trace ends there" ]] || fail "on a full disk: $said"
fi

# Killed: what there is can be read.
coproc env VTHR_TRACE="$dir/killed" LD_PRELOAD="$lib" "$waiting" deadlock 2>/dev/null
pid=$COPROC_PID
read -t 60 -r _ <&"${COPROC[0]}" || fail "it does not begin"
for ((i = 0; i < 600; i++)); do
    [[ $(grep -c '"thread_name"' "$dir/killed") -ge 6 ]] && break
    sleep 0.1
done
{ kill -9 "$pid"; wait "$pid"; } 2>/dev/null
python3 "$check" "$dir/killed" --cut || fail "killed"
finish
