# Helpers of the tests here. setup VTHR STUB makes $dir, with vthr and the stub
# library in it, readable for everyone; it is removed at the end.
failures=0

setup()
{
    dir=$(mktemp -d) || exit 1
    trap 'rm -rf "$dir"' EXIT
    chmod 755 "$dir"
    cp "$1" "$dir/vthr" && cp "$2" "$dir/libvthr.so" || exit 1
    # LD_PRELOAD of a harness or VTHR_ settings of the caller would be results here.
    unset LD_PRELOAD ${!VTHR_@}
    # A directory of PATH that may not be searched would change "not found".
    PATH=/usr/bin:/bin:/usr/sbin:/sbin
    vthr=$dir/vthr
}

fail()
{
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# expect STATUS STDOUT STDERR COMMAND...: patterns of [[ == ]] for the outputs
expect()
{
    local status=$1 out=$2 err=$3 got said
    shift 3
    "$@" >"$dir/out" 2>"$dir/err" </dev/null
    got=$?
    [[ $got == "$status" ]] || fail "$*: status $got, not $status; $(cat "$dir/err")"
    [[ $(<"$dir/out") == $out ]] || fail "$*: stdout '$(<"$dir/out")', not '$out'"
    said=$(<"$dir/err")
    [[ $said == $err ]] || fail "$*: stderr '$said', not '$err'"
    [[ $said != *$'\n'* ]] || fail "$*: more than one line on stderr"
}

# settle NAME N: until process $pid has N such, as vthr stat says; $dir/begun is what it printed
settle()
{
    until [[ $("$vthr" stat $pid 2>/dev/null | sed -n "s/^$1  *//p") == "$2" ]]; do
        kill -0 $pid || { echo "ended before it settled: $1 $2"; cat "$dir/begun"; exit 1; }
    done
}

# serve LIB VIEWED N: a server with N connections under load, $pid; served: it ends, and not a byte was wrong
serve()
{
    mkfifo "$dir/stdin"
    env LD_PRELOAD="$1" VTHR_CARRIERS=2 "$2" serve "$3" >"$dir/served" 2>&1 <"$dir/stdin" &
    pid=$!
    pids+=($pid)
    exec 5>"$dir/stdin"
    until grep -q ^ready "$dir/served"; do kill -0 $pid || { cat "$dir/served"; exit 1; }; sleep 0.05; done
}
served()
{
    exec 5>&-
    wait $pid || fail "the server: status $?"
    grep -q "^all came back" "$dir/served" || fail "the server: $(<"$dir/served")"
}

script()
{
    printf '%b' "$2" >"$dir/$1"
    chmod +x "$dir/$1"
}

finish()
{
    [[ $failures == 0 ]] || { echo "$failures failures"; exit 1; }
    echo ok
}
