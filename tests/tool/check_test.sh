#!/bin/bash
# check_test.sh VTHR STUB PROGRAMS_DIR: the verdicts of vthr --check.
. "${0%/*}/lib.sh"
setup "$1" "$2"
cp "$3"/tool_prog* "$dir"
cd "$dir" || exit 1

good() { expect 0 "vthr: $1: ok" "" "$vthr" --check "$2"; }
bad() { expect 1 "" "vthr: $1" "$vthr" --check "$2"; }
# patch FILE OFFSET BYTES...: a copy of tool_prog with other bytes there
patch()
{
    cp tool_prog "$1"
    printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# Programs
good ./tool_prog ./tool_prog
good "$dir/tool_prog" "$dir/tool_prog"
good sh sh
bad "nosuchcommand: not found: *PATH" nosuchcommand
bad "./nosuch: not found: *" ./nosuch
bad "./tool_prog_musl: linked with musl: *" ./tool_prog_musl
bad "./tool_prog_other: uses the dynamic linker /lib/ld-other.so.1: *" ./tool_prog_other
bad "./tool_prog_absent: its dynamic linker /nowhere/ld-linux-any.so.2 *" ./tool_prog_absent
for kind in static static-pie; do
    [[ -e tool_prog_$kind ]] && bad "./tool_prog_$kind: statically linked*" ./tool_prog_$kind
done
cp tool_prog unexecutable && chmod 644 unexecutable
bad "./unexecutable: not executable: *" ./unexecutable
mkfifo fifo && chmod +x fifo
bad "./fifo: not executable: *" ./fifo

# Scripts
sh=$(command -v sh)
script s_sh '#!/bin/sh -e\n'
good "./s_sh -> /bin/sh" ./s_sh
script s_blank '#! \t/bin/sh\n'
good "./s_blank -> /bin/sh" ./s_blank
script s_nonl '#!/bin/sh'
good "./s_nonl -> /bin/sh" ./s_nonl
script s_env '#!/usr/bin/env sh\n'
good "./s_env -> /usr/bin/env -> $sh" ./s_env
script s_split '#!/usr/bin/env -S -i A=1 -u X sh -e\n'
good "./s_split -> /usr/bin/env -> $sh" ./s_split
script s_words '#!/usr/bin/env sh -e\n'
bad "./s_words -> /usr/bin/env -> sh -e: not found: *" ./s_words
script s_nested "#!$dir/s_sh\n"
good "./s_nested -> $dir/s_sh -> /bin/sh" ./s_nested
script s_loop "#!$dir/s_loop\n"
bad "./s_loop -> *: too many interpreters: *" ./s_loop
script s_lost '#!/no/such\n'
bad "./s_lost -> /no/such: not found: *" ./s_lost
script s_empty '#!\n/bin/sh'
bad "./s_empty: bad #! line: *" ./s_empty
script s_long "#!/$(printf 'x%.0s' {1..300})\n"
bad "./s_long: bad #! line: *" ./s_long
script s_musl "#!$dir/tool_prog_musl\n"
bad "./s_musl -> $dir/tool_prog_musl: linked with musl: *" ./s_musl
script s_none 'echo\n'
bad "./s_none: script without interpreter: *" ./s_none
script s_void ''
bad "./s_void: script without interpreter: *" ./s_void
script s_forge '#!/no\033/such\rvthr: x: ok\n'
bad "./s_forge -> /no[?]/such?vthr:: not found: *" ./s_forge

# Headers that lie
patch bits32 4 '\001'
bad "./bits32: 32-bit program*" ./bits32
printf '\177ELF\1\1\1\0\0\0\0\0\0\0\0\0\2\0\3\0' >short32 && chmod +x short32
bad "./short32: 32-bit program*" ./short32
patch machine 18 '\376\376'
bad "./machine: program for another machine *" ./machine
patch class 4 '\011'
bad "./class: damaged ELF file: *" ./class
patch type 16 '\001'
bad "./type: damaged ELF file: *" ./type
patch phoff 32 '\377\377\377\377\377\377\377\177'
bad "./phoff: damaged ELF file: *" ./phoff
patch phoff2 32 '\377\377\377\377\377\377\377\377'
bad "./phoff2: damaged ELF file: *" ./phoff2
patch phentsize 54 '\001\000'
bad "./phentsize: damaged ELF file: *" ./phentsize
patch phnum0 56 '\000\000'
bad "./phnum0: damaged ELF file: *" ./phnum0
patch phnum 56 '\377\377'
bad "./phnum: damaged ELF file: *" ./phnum
for size in 4 5 16 18 20 40 63 64 65 119 120 300; do
    head -c $size tool_prog >cut && chmod +x cut
    bad "./cut: damaged ELF file: *" ./cut
done
for i in {1..200}; do
    patch fuzz $((4 + RANDOM % 900)) "\\$((RANDOM % 4))$((RANDOM % 8))$((RANDOM % 8))\\377"
    "$vthr" --check ./fuzz >out 2>err
    status=$?
    [[ $status -le 1 && $(cat out err | wc -l) == 1 ]] ||
        { fail "fuzz: status $status: $(head -c 1024 fuzz | base64 -w0)"; break; }
done

# Privileges: only root can make such files, and only others are refused.
nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
if [[ $(id -u) != 0 ]] || ! "${nobody[@]}" test -x "$vthr" 2>/dev/null; then
    echo "not checked: privileges (needs root and setpriv)"
elif [[ ,$(findmnt -no OPTIONS -T "$dir"), == *,nosuid,* ]]; then
    echo "not checked: privileges ($dir is mounted nosuid)"
else
    for bits in 4755:setuid 2755:setgid; do
        name=p_${bits#*:}
        cp tool_prog "$name" && chmod "${bits%:*}" "$name"
        good "./$name" "./$name"
        expect 1 "" "vthr: ./$name: ${bits#*:}, *" "${nobody[@]}" "$vthr" --check "./$name"
        expect 0 "vthr: ./$name: ok" "" \
            "${nobody[@]}" --no-new-privs "$vthr" --check "./$name"
    done
    expect 0 "preload=*loaded=no" "vthr: ./p_setuid: setuid, *" "${nobody[@]}" "$vthr" ./p_setuid
    cp tool_prog lock && chmod 2745 lock
    expect 0 "vthr: ./lock: ok" "" "${nobody[@]}" "$vthr" --check ./lock
    script s_setuid '#!/bin/sh\n' && chmod 4755 s_setuid
    expect 0 "vthr: ./s_setuid -> /bin/sh: ok" "" "${nobody[@]}" "$vthr" --check ./s_setuid
    cp tool_prog secret && chmod 711 secret
    expect 1 "" "vthr: ./secret: cannot be read*" "${nobody[@]}" "$vthr" --check ./secret
    expect 5 "preload=$dir/libvthr.so loaded=yes" "" "${nobody[@]}" "$vthr" ./secret 5
    cp tool_prog capable
    if setcap cap_net_raw+ep capable 2>/dev/null; then
        good ./capable ./capable
        expect 1 "" "vthr: ./capable: has file capabilities, *" \
            "${nobody[@]}" "$vthr" --check ./capable
    fi
fi
finish
