#!/bin/bash
# preloads_test.sh LIBVTHR PROGRAM EARLY: with the other libraries that people preload, before and after ours, bound at once
# and lazily. Allocators and wrappers of libc calls that are not installed are passed over; without any: 77. (Of the two
# libfaketimes, the one for programs without threads hangs in this one natively; its monotonic
# clock must be left true, because it does not translate the deadlines of pthread_cond_clockwait.)
set -u
lib=$1 program=$2 early=$3
unset LD_PRELOAD ${!VTHR_@}
failures=0 missing=()

try() { # WHAT VAR=VALUE...
    local what=$1 out
    shift
    out=$(timeout -k 2 20 env "$@" "$program" 2>&1 </dev/null)
    local status=$?
    [[ $status == 0 && $out == ok ]] && return
    echo "FAILED: $what: status $status: ${out:0:300}"
    echo "  reproduce: env $* $program"
    failures=$((failures + 1))
}

each_order() { # NAME PATH VAR=VALUE...
    local name=$1 path=$2 bind order
    shift 2
    for bind in LD_BIND_NOW=1 LAZY=1; do
        try "$name alone $bind" LD_PRELOAD="$path" "$bind" "$@"
        for order in "$path:$lib" "$lib:$path"; do
            try "$order $bind" LD_PRELOAD="$order" "$bind" VTHR_CARRIERS=2 "$@"
        done
    done
}

try native A=1
for bind in LD_BIND_NOW=1 A=1; do
    try "$bind" LD_PRELOAD="$lib" $bind
done
each_order early "$early" A=1
each_order "early, with threads" "$early" EARLY_THREADS=1
each_order "early, then no environment" "$early" EARLY_CLEARENV=1

found=0
for name in libjemalloc.so.2 libtcmalloc_minimal.so.4 libtcmalloc.so.4 libmimalloc.so.2.0 libeatmydata.so \
    faketime/libfaketimeMT.so.1; do
    path=
    for dir in /usr/lib/"$(uname -m)"-linux-gnu /usr/lib64 /usr/lib /usr/local/lib; do
        [[ -e $dir/$name ]] && path=$dir/$name && break
    done
    if [[ ! $path ]]; then
        missing+=("$name")
        continue
    fi
    found=$((found + 1))
    case $name in
    faketime/*) each_order "$name" "$path" FAKETIME=+1d FAKETIME_DONT_FAKE_MONOTONIC=1 ;;
    *) each_order "$name" "$path" A=1 ;;
    esac
done

[[ ${#missing[@]} == 0 ]] || echo "not installed: ${missing[*]}"
[[ $failures == 0 ]] || { echo "$failures failures"; exit 1; }
[[ $found != 0 ]] || exit 77
echo ok
