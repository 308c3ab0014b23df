# Runs in gdb, twice, for core_test.sh.  MODE=make: PROGRAM is killed at each STEPth instruction of a switch, which leaves a core file of
# that moment in $DIR/mid.N each time.  MODE=judge: in each $DIR/mid.N/made, made of that by vthr core, all stacks are whole.
import glob
import os
import re
import sys

import gdb

DIR = os.environ['DIR']
# Instructions from the first of the switch on: the frame is made, the stack changed, the frame undone, and back in the caller.
LAST = 28


def run(command):
    return gdb.execute(command, to_string=True)


def make():
    run('set breakpoint pending on')
    run('set startup-with-shell off')
    run('set environment LD_PRELOAD ' + os.environ['LIB'])
    run('set args play')
    for n in range(0, LAST, int(os.environ.get('STEP', '4'))):
        os.mkdir('%s/mid.%d' % (DIR, n))
        run('set cwd %s/mid.%d' % (DIR, n))
        run('delete')
        run('break arch_switch')
        run('ignore $bpnum %d' % (5 + n))
        run('run')
        run('set scheduler-locking on')  # for this one process
        if n:
            run('stepi %d' % n)
        run('signal SIGABRT')
    return 0


def judge():
    failures = 0
    for made in sorted(glob.glob(DIR + '/mid.*/made')):
        run('core-file ' + made)
        out = run('thread apply all bt')
        stacks = [s for s in out.split('\n\n') if s.startswith(('Thread', '\nThread'))]
        # As gdb stops in main.
        whole = [s for s in stacks if re.search(r'(?:^#\d+ +| )(?:in )?(main|_start|arch_entry|clone3|__clone3) \(.*$', s.rstrip().split('\n')[-1])]
        told = len(whole) == len(stacks) and 'Backtrace stopped' not in out
        # The main thread and two players, of which the one that was switched to or from may not have begun yet.
        if not told or out.count(' play ()') != 1 or not out.count(' player_start (') + out.count(' exit_entry (') >= 2:
            failures += 1
            print('FAIL: ' + made + '\n' + out)
    sys.stdout.flush()
    return failures


for setting in ('pagination off', 'confirm off', 'width 0', 'debuginfod enabled off', 'style enabled off', 'auto-load off'):
    run('set ' + setting)
gdb.execute('quit %d' % (1 if (make if os.environ['MODE'] == 'make' else judge)() else 0))
