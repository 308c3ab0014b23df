#!/bin/bash
# launcher_test.sh VTHR STUB PROGRAMS_DIR: options, LD_PRELOAD, exit statuses.
. "${0%/*}/lib.sh"
setup "$1" "$2"
cp "$3"/tool_prog* "$dir"
prog=$dir/tool_prog
lib=$dir/libvthr.so
cd "$dir" || exit 1

# The library comes first, what was there stays.
expect 0 "preload=$lib loaded=yes" "" "$vthr" "$prog"
expect 0 "preload=$lib:libm.so.6 loaded=yes" "" env LD_PRELOAD=libm.so.6 "$vthr" "$prog"
expect 0 "preload=$lib:libm.so.6 libdl.so.2 loaded=yes" "" \
    env LD_PRELOAD="libm.so.6 libdl.so.2" "$vthr" "$prog"
expect 0 "preload=$lib loaded=yes" "" env LD_PRELOAD= "$vthr" "$prog"
expect 0 "preload=$lib loaded=yes" "" "$vthr" "$vthr" "$prog"
expect 0 "preload=$lib:libm.so.6 loaded=yes" "" env LD_PRELOAD="$lib:libm.so.6" "$vthr" "$prog"
expect 0 "preload=$lib:libm.so.6:$lib loaded=yes" "" \
    env LD_PRELOAD="libm.so.6:$lib" "$vthr" "$prog"

# An installed vthr, reached through a link; a path that LD_PRELOAD cannot hold.
mkdir -p inst/bin inst/lib "a b" links
cp vthr inst/bin && cp libvthr.so inst/lib
ln -s ../inst/bin/vthr links/vthr
expect 0 "preload=$dir/inst/lib/libvthr.so loaded=yes" "" links/vthr "$prog"
cp vthr libvthr.so "a b"
expect 125 "" "vthr: *a b/libvthr.so: *blanks*" "a b/vthr" "$prog"
rm inst/lib/libvthr.so
expect 125 "" "vthr: libvthr.so: neither in *" inst/bin/vthr "$prog"

# Statuses
expect 42 "preload=*" "" "$vthr" "$prog" 42
expect 42 "preload=*" "" "$vthr" -- "$prog" 42
expect 0 "-c 3 --strict" "" "$vthr" echo -c 3 --strict
expect 127 "" "vthr: nosuchcommand: not found: *" "$vthr" nosuchcommand
expect 127 "" "vthr: ./nosuch: not found: *" "$vthr" ./nosuch
expect 127 "" "vthr: ./nosuch: not found: *" "$vthr" --strict ./nosuch
expect 127 "" "vthr: : not found: *" "$vthr" ""
expect 126 "" "vthr: $dir: not executable: *" "$vthr" "$dir"
echo x >plain
expect 126 "" "vthr: ./plain: not executable: *" "$vthr" ./plain
script lost '#!/no/such\n'
expect 127 "" "vthr: ./lost -> /no/such: not found: *" "$vthr" ./lost
expect 125 "" "vthr: no command: *" "$vthr"
expect 125 "" "vthr: no command: *" "$vthr" --check
expect 125 "" "vthr: --nope: unknown option: *" "$vthr" --nope true
expect 125 "" "vthr: -c: needs an argument: *" "$vthr" -c
expect 125 "" "" "$BASH" -c "'$vthr' --help >/dev/full"

# PATH is searched as execvp does: on past what cannot be executed.
mkdir p1 p2
cp plain p1/cmd && cp "$prog" p2/cmd
expect 7 "preload=$lib loaded=yes" "" env PATH="p1:p2:$PATH" "$vthr" cmd 7
expect 126 "" "vthr: cmd: not executable: *" env PATH="p1" "$vthr" cmd
cp "$prog" here
expect 7 "preload=$lib loaded=yes" "" env PATH="p1:" "$vthr" here 7

# Settings
show='env | grep ^VTHR_ | sort | tr "\n" " "'
expect 0 "VTHR_CARRIERS=3 VTHR_STATS=1 VTHR_STRICT=1 " "" \
    "$vthr" -c 3 --strict --stats sh -c "$show"
expect 0 "VTHR_CACHE=5 VTHR_SCHED=random:7 VTHR_SPARES= " "" \
    "$vthr" --set CACHE=5 --set VTHR_SCHED=random:7 --set SPARES= sh -c "$show"
expect 0 "VTHR_CARRIERS=4 " "" env VTHR_CARRIERS=3 "$vthr" --carriers=4 sh -c "$show"
expect 0 "" "" "$vthr" sh -c "$show"
expect 125 "" "vthr: VTHR_CARRIERS=0: must be 1 to 256" "$vthr" -c 0 true
expect 125 "" "vthr: VTHR_CARIERS: *did you mean VTHR_CARRIERS?" "$vthr" --set CARIERS=3 true
expect 125 "" "vthr: --set CARRIERS: no value: *" "$vthr" --set CARRIERS true
# A bad variable is for the library to report: once, not twice.
expect 0 "preload=$lib loaded=yes" "" env VTHR_CARRIERS=x "$vthr" "$prog"
expect 0 "preload= loaded=no" "" env VTHR_DISABLE=1 "$vthr" "$prog"

# What fails the check runs natively, after one line; not with strictness.
if [[ -e tool_prog_static ]]; then
    expect 3 "preload= loaded=no" "vthr: ./tool_prog_static: statically linked*" \
        "$vthr" ./tool_prog_static 3
    expect 3 "preload=libm.so.6 loaded=no" "vthr: ./tool_prog_static: statically linked*" \
        env LD_PRELOAD=libm.so.6 "$vthr" ./tool_prog_static 3
    expect 125 "" "vthr: ./tool_prog_static: statically linked*" \
        "$vthr" --strict ./tool_prog_static 3
    expect 125 "" "vthr: ./tool_prog_static: statically linked*" \
        env VTHR_STRICT=yes "$vthr" ./tool_prog_static 3
    expect 3 "preload= loaded=no" "" env VTHR_DISABLE=1 "$vthr" ./tool_prog_static 3
fi
script bare 'echo bare $1\n'
expect 0 "bare x" "vthr: ./bare: script without interpreter: *" "$vthr" ./bare x

expect 0 "vthr [0-9]*.[0-9]*.[0-9]*" "" "$vthr" --version
expect 0 "vthr [0-9]*.[0-9]*.[0-9]*" "" "$vthr" -V
expect 0 "Usage: vthr *VTHR_CARRIERS=1..256*" "" "$vthr" -h
finish
