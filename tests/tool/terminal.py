# terminal.py PID VTHR: vthr top on a terminal of 24 lines, as a person uses it.  Each step waits for what the last one must lead to.
import ctypes
import fcntl
import os
import pty
import re
import struct
import sys
import termios

victim, vthr = int(sys.argv[1]), sys.argv[2]
try:
    ctypes.CDLL('libncursesw.so.6')
except OSError:
    print('ncurses is not installed')
    sys.exit(0)
seen = b''


def until(fd, pattern):
    """Reads on until what came since the last call matches."""
    global seen
    while not re.search(pattern, seen, re.S):
        try:
            more = os.read(fd, 65536)
        except OSError:
            more = b''
        if not more:
            sys.exit('the screen ends before %r in %r' % (pattern, seen))
        seen += more
    seen = b''


def top(*args):
    pid, fd = pty.fork()
    if pid == 0:
        os.environ['TERM'] = 'xterm'
        # A size is there before the program looks.
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 120, 0, 0))
        os.execv(vthr, [vthr, 'top', *args, str(victim)])
    return pid, fd


def press(fd, keys):
    # ^L: all of the screen is written anew, so that what is looked for comes in one piece.
    os.write(fd, keys + b'\f')


def ends(pid, fd, status):
    global seen
    while True:
        try:
            more = os.read(fd, 65536)
        except OSError:
            break
        if not more:
            break
        seen += more
    got = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if got != status:
        sys.exit('vthr top ends with %d: %r' % (got, seen))
    text, seen = seen, b''
    return text


pid, fd = top('-d', '3600')
until(fd, rb'27 vthreads: 0 running.*by activity;.*WAITS/S.*accept2')
press(fd, b't')
until(fd, rb'by age;')
press(fd, b'n')
until(fd, rb'by name;.*\baccept1.*accept2.*\bbarrier')
press(fd, b'r')
until(fd, rb'by name, reversed;.*wrlock.*write')
press(fd, b'\x1b[6~')  # page down
until(fd, rb'by name, reversed;.*WAITS FOR.{0,80}(?:gdb_waits|futex|join|once1).*accept1')
press(fd, b' ')
until(fd, rb'per second: 0 switches')
os.write(fd, b'q')
text = ends(pid, fd, 0)
if b'\x1b[?1049l' not in text:
    sys.exit('the terminal is not given back: %r' % text)
pid, fd = top('-d', '0.05', '--sort', 'id', '--name', '^ring')
until(fd, rb'3 vthreads.*by id;.*ring0.*ring1.*ring2')
until(fd, rb'.')  # it goes on by itself
os.kill(victim, 9)
text = ends(pid, fd, 1)
if b'it has ended' not in text:
    sys.exit('no word of the end: %r' % text)
