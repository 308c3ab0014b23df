#!/bin/bash
# CPython's own tests (Debian's libpython3.11-testsuite): the same tests pass natively and preloaded (MODULES= overrides)
NAME=cpython
LIB=$(cd "$(dirname "$0")/lib" && pwd)
. "$LIB/prelude.sh"
[ -f /usr/lib/python3.11/test/test_socketserver.py ] && [ -x /usr/bin/python3.11 ] || skip "libpython3.11-testsuite is not installed"
MODULES=${MODULES:-test_thread test_queue test_select test_epoll test_socketserver test_smtplib test_httpservers test_fileio}
verdicts() { # LOG: the tests that ran and how many were skipped or failed; with status 0 the others passed
  grep -aoE '^[A-Za-z0-9_]+ \(test\.[A-Za-z0-9_.]+\)' "$1" | sort
  grep -aE '^(OK|FAILED)( \(.*\))?$' "$1"; grep -aoE '^Ran [0-9]+ test' "$1"
}
cd "$T" || exit 1
n=0
for m in $MODULES; do
  RUN_MAX=40 PRELOAD='' TRACE='' run /usr/bin/python3.11 -m test -u network -v "$m" || die "$m fails natively, status $?"
  verdicts out.log >"$m.native"
  RUN_MAX=40 run /usr/bin/python3.11 -m test -u network -v "$m"; rc=$?
  verdicts out.log >"$m.preloaded"
  cmp -s "$m.native" "$m.preloaded" || { diff "$m.native" "$m.preloaded" | head -20 >diff.log; die "$m: other results, status $rc"; }
  [ "$rc" = 0 ] || die "$m: status $rc"
  k=$(wc -l <"$m.native"); [ "$k" -gt 0 ] || die "$m: no tests"; n=$((n+k))
done
FIG="$FIG tests=$n"
ok
