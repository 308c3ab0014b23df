#!/bin/sh
# The real gdb on real processes: gdb_test.sh MODE LIBRARY PROGRAM SCRIPT
#
#   observe   attach to PROGRAM, check all that can be seen, make a core file, check the same in it
#   stripped  the same with a copy of LIBRARY that has neither symbols nor debug information
#   separate  the same with copies of both that are stripped and have their debug information in files beside them
#   server    attach to a PROGRAM that serves 1,000 connections, a thread each, under load; the same with the core file that it leaves
#   waits     attach to the PROGRAM whose threads wait for all kinds of things, check what is said of that, also of its core file
#   many      attach to a PROGRAM with many threads at one place
#   autoload  gdb finds the script by itself: beside LIBRARY, and where it is installed
#   versions  the script with a LIBRARY that says less of itself, and one in a format that it does not know
#   step      run PROGRAM under gdb and go through the switch instruction by instruction
#
# Exit status 77: no gdb.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mode=$1 lib=$2 prog=$3 script=$4
if ! command -v gdb >/dev/null; then
	echo "gdb is not installed"
	exit 77
fi
gdb -batch -nx -ex 'python import gdb.unwinder' >/dev/null 2>&1 || {
	echo "this gdb has no Python: install the package gdb, not gdb-minimal"
	exit 1
}

dir=$(mktemp -d)
pid=
cleanup() {
	[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null || :
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

# gdb's questions go to nobody; its own settings files are not read.  The indexes that it makes of debug information, which is most
# of its work here, are kept in the build tree: it finds them again by build id.
index_cache=$(dirname "$(realpath "$prog")")/index-cache
run_gdb() {
	timeout "${GDB_TIMEOUT:-150}" gdb -nx -batch -iex 'set index-cache enabled on' -iex "set index-cache directory $index_cache" "$@" </dev/null
}

start() { # [THREADS SPINNING [ARGUMENT...]]
	threads=${1:-52} spinning=${2:-1}
	[ $# -lt 2 ] || shift 2
	mkdir "$dir/kernel"
	(
		cd "$dir/kernel"
		# shellcheck disable=SC3045 # where the shell cannot, there is no kernel core file
		ulimit -c unlimited 2>/dev/null || :
		LD_PRELOAD=$lib exec "$prog" "$@" >"$dir/out" 2>&1
	) &
	pid=$!
	n=0
	until grep -q '^ready' "$dir/out"; do
		n=$((n + 1))
		if [ $n -gt 300 ] || ! kill -0 $pid 2>/dev/null; then
			echo "the program did not get ready:"
			cat "$dir/out"
			exit 1
		fi
		sleep 0.1
	done
	PID=$pid THREADS=$threads SPINNING=$spinning run_gdb -x "$here/settle.py" "$prog" >"$dir/settle" 2>&1 || {
		cat "$dir/settle"
		exit 1
	}
}

export SCRIPT="$script" LIB="$lib"
case $mode in
observe | stripped | separate)
	if [ "$mode" = separate ]; then
		command -v objcopy >/dev/null || exit 77
		for file in "$lib" "$prog"; do
			name=$dir/$(basename "$file")
			objcopy --only-keep-debug "$file" "$name.debug"
			objcopy --strip-all --add-gnu-debuglink="$name.debug" "$file" "$name"
		done
		lib=$dir/$(basename "$lib") prog=$dir/$(basename "$prog")
		export SEPARATE=1
	fi
	if [ "$mode" = stripped ]; then
		strip -o "$dir/libvthr.so" "$lib"
		lib=$dir/libvthr.so
		export STRIPPED=1
	fi
	start
	status=0
	MODE=live PID=$pid CORE=$dir/core run_gdb -x "$here/check.py" "$prog" || status=1
	kill -0 $pid || {
		echo "the program is gone"
		exit 1
	}
	kill -ABRT $pid
	wait $pid 2>/dev/null || :
	pid=
	# The kernel's own core file too, where it leaves one in the current directory.
	for core in "$dir/core" "$dir"/kernel/core*; do
		[ -f "$core" ] || continue
		echo "== ${core#"$dir"/}, $(du -h "$core" | cut -f1)"
		MODE=core run_gdb -ex "core-file $core" -x "$here/check.py" "$prog" || status=1
	done
	exit $status
	;;
waits)
	start 27 0
	export FDS="$(sed -n 's/^ready.* fds //p' "$dir/out")"
	MODE=waits PID=$pid CORE=$dir/core run_gdb -x "$here/check.py" "$prog"
	MODE=waits_core run_gdb -ex "core-file $dir/core" -x "$here/check.py" "$prog"
	;;
server)
	mkdir "$dir/kernel"
	mkfifo "$dir/stdin"
	(
		cd "$dir/kernel"
		# shellcheck disable=SC3045
		ulimit -c unlimited 2>/dev/null || :
		LD_PRELOAD=$lib VTHR_CARRIERS=2 exec "$prog" serve 1000 >"$dir/out" 2>&1 <"$dir/stdin"
	) &
	pid=$!
	exec 5>"$dir/stdin"
	until grep -q '^ready' "$dir/out"; do
		kill -0 $pid || {
			cat "$dir/out"
			exit 1
		}
		sleep 0.1
	done
	MODE=server PID=$pid run_gdb -x "$here/check.py" "$prog"
	kill -ABRT $pid
	wait $pid 2>/dev/null || :
	pid=
	for core in "$dir"/kernel/core*; do
		[ -f "$core" ] || continue
		MODE=server_core run_gdb -ex "core-file $core" -x "$here/check.py" "$prog"
	done
	;;
many)
	start 201 0 idle 200
	MODE=many PID=$pid run_gdb -x "$here/check.py" "$prog"
	;;
autoload)
	listed() { # gdb's options: the list is there, also when the script was loaded once more
		run_gdb "$@" -p $pid -ex 'info vthreads' -ex "source $script" -ex 'info vthreads accept' >"$dir/gdb" 2>&1
		[ "$(grep -c 'job49.*wait_in_accept' "$dir/gdb")" = 2 ] || {
			cat "$dir/gdb"
			exit 1
		}
	}
	start
	listed -iex 'set auto-load safe-path /'
	kill -9 $pid
	wait $pid 2>/dev/null || :
	cmake --install "$(dirname "$lib")" --prefix "$dir/usr" >"$dir/install"
	lib=$dir/usr/lib/$(basename "$lib")
	script=$dir/usr/share/gdb/auto-load$lib-gdb.py
	rm -rf "$dir/kernel"
	start
	listed -iex "set auto-load safe-path $dir" -iex "set auto-load scripts-directory $dir/usr/share/gdb/auto-load"
	# Root can write there, and gdb's python must not.
	[ ! -e "$(dirname "$script")/libvthr_gdb/__pycache__" ]
	;;
versions)
	# The descriptor lies in .data of the file as in memory, but for addresses: magic, version (4 bytes), size (4 bytes).
	patched() { # OFFSET VALUE in little-endian octal escapes
		at=$(grep -abo vthrdbg "$lib" | head -1 | cut -d: -f1)
		cp "$lib" "$dir/libvthr.so"
		printf "$2" | dd of="$dir/libvthr.so" bs=1 seek=$((at + $1)) conv=notrunc 2>/dev/null
	}
	whole=$lib
	patched 12 '\070\002\000\000' # 568: up to what the first such libraries had
	lib=$dir/libvthr.so
	start
	run_gdb -ex "source $script" -p $pid -ex 'info vthreads' -ex 'info vthread-locks' >"$dir/gdb" 2>&1 || :
	grep -q '"job49"  *parked in accept  *-  *-  *job_start  *wait_in_accept' "$dir/gdb" &&
		grep -q 'does not say what its vthreads wait for' "$dir/gdb" || {
		cat "$dir/gdb"
		exit 1
	}
	kill -9 $pid
	wait $pid 2>/dev/null || :
	lib=$whole
	patched 8 '\002'
	(LD_PRELOAD=$dir/libvthr.so exec "$prog" >"$dir/out2" 2>&1) &
	pid=$!
	until grep -q '^ready' "$dir/out2" || ! kill -0 $pid; do sleep 0.1; done
	run_gdb -ex "source $script" -p $pid -ex 'info vthreads' >"$dir/gdb" 2>&1 || :
	grep -q 'describes its vthreads in format 2; the script knows format 1' "$dir/gdb" || {
		cat "$dir/gdb"
		exit 1
	}
	;;
step)
	for carriers in 1 2; do
		MODE=step VTHR_CARRIERS=$carriers run_gdb -x "$here/check.py" "$prog"
	done
	;;
*)
	echo "unknown mode $mode"
	exit 1
	;;
esac
