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
    local status=$1 out=$2 err=$3 got
    shift 3
    "$@" >"$dir/out" 2>"$dir/err" </dev/null
    got=$?
    [[ $got == "$status" ]] || fail "$*: status $got, not $status; $(cat "$dir/err")"
    [[ $(<"$dir/out") == $out ]] || fail "$*: stdout '$(<"$dir/out")', not '$out'"
    [[ $(<"$dir/err") == $err ]] || fail "$*: stderr '$(<"$dir/err")', not '$err'"
    [[ $(wc -l <"$dir/err") -le 1 ]] || fail "$*: more than one line on stderr"
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
