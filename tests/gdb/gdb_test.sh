#!/bin/sh
# The real gdb on real processes: gdb_test.sh MODE LIBRARY PROGRAM SCRIPT
#
#   observe   attach to PROGRAM, check all that can be seen, make a core file, check the same in it
#   stripped  the same with a copy of LIBRARY that has neither symbols nor debug information
#   autoload  gdb finds the script beside LIBRARY by itself
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

# gdb's questions go to nobody; its own settings files are not read.
run_gdb() {
	timeout "${GDB_TIMEOUT:-150}" gdb -nx -batch "$@" </dev/null
}

start() {
	mkdir "$dir/kernel"
	(
		cd "$dir/kernel"
		# shellcheck disable=SC3045 # where the shell cannot, there is no kernel core file
		ulimit -c unlimited 2>/dev/null || :
		LD_PRELOAD=$lib exec "$prog" >"$dir/out" 2>&1
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
	PID=$pid run_gdb -x "$here/settle.py" "$prog" >"$dir/settle" 2>&1 || {
		cat "$dir/settle"
		exit 1
	}
}

export SCRIPT="$script" LIB="$lib"
case $mode in
observe | stripped)
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
autoload)
	start
	run_gdb -iex "set auto-load safe-path /" -p $pid -ex 'info vthreads' >"$dir/gdb" 2>&1
	grep -q 'job49.*wait_in_accept' "$dir/gdb" || {
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
