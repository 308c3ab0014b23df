# Waits until every thread of the program is where it will stay: all parked but the one that spins.  The program cannot say so
# itself, since a thread that has said that it is going to wait does not wait yet.  It runs between two looks.
#
#   PID, SCRIPT          the process, the commands for vthreads
#   THREADS, SPINNING    how many vthreads there will be, how many of them never park
import os
import re
import time

import gdb

THREADS, SPINNING = int(os.environ['THREADS']), int(os.environ['SPINNING'])
DEADLINE = time.monotonic() + 60

gdb.execute('set pagination off')
gdb.execute('set width 0')
gdb.execute('set debuginfod enabled off')
gdb.execute('source ' + os.environ['SCRIPT'])
while True:
    began = time.monotonic()
    gdb.execute('attach ' + os.environ['PID'], to_string=True)
    lines = gdb.execute('info vthreads', to_string=True).splitlines()[1:]
    gdb.execute('detach', to_string=True)
    parked = [line for line in lines if re.match(r'[ *] \d+ +\d+ +".*?" +parked', line)]
    if len(lines) == THREADS and len(parked) == THREADS - SPINNING:
        gdb.execute('quit 0')
    if time.monotonic() > DEADLINE:
        print('the threads do not settle:\n' + '\n'.join(lines))
        gdb.execute('quit 1')
    time.sleep(2 * (time.monotonic() - began))  # a look stops the program: it must get on in between
