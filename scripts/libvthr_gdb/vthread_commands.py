"""vthread, and its subcommands apply and find."""

import re

import gdb

from .arguments import compile_regex, parse_ids
from .session import Session
from .stacks import frame_text


class VthreadCommand(gdb.Command):
    """Print the stack of a vthread.
Usage: vthread ID
ID is a number from "info vthreads", or a number as gettid() returns it in
the program.  The stack of a running vthread is that of the thread (LWP) it
runs on; the stack of any other is unwound from the registers it saved.
Its frame 0 is always arch_switch.

To look at its variables, see "help vthread apply"."""

    def __init__(self):
        super().__init__('vthread', gdb.COMMAND_STACK, prefix=True)

    def invoke(self, arg, from_tty):
        ids = parse_ids(arg) if arg.strip() else []
        if len(ids) != 1:
            raise gdb.GdbError('Please specify a vthread ID.  See "info vthreads".')
        with Session() as s:
            v = s.by_id(ids[0])
            if v is None:
                raise gdb.GdbError('Unknown vthread %d.' % ids[0])
            s.select(v)
            gdb.write(s.title(v) + ':\n')
            gdb.execute('backtrace', False)


class VthreadApply(gdb.Command):
    """Apply a command to vthreads.
Usage: vthread apply ID... [FLAG]... COMMAND
       vthread apply all [FLAG]... COMMAND
ID is a number from "info vthreads" or a range like 2-5.  The command sees the
vthread's stack, with its innermost frame selected:
    vthread apply all bt full
    vthread apply 7 frame function worker
The command must neither resume the program nor change its data or registers.

Flags, as in "thread apply": -q prints no header, -c prints errors and goes
on, -s hides errors and the headers of the vthreads they come from."""

    def __init__(self):
        super().__init__('vthread apply', gdb.COMMAND_STACK)

    def invoke(self, arg, from_tty):
        which, flags, command = self.parse(arg)
        if not command:
            raise gdb.GdbError('Please specify a command at the end of "vthread apply".')
        with Session() as s:
            for v in self.chosen(s, which):
                self.apply(s, v, flags, command, from_tty)

    @staticmethod
    def parse(arg):
        words = arg.split()
        which = []
        flags = set()
        rest = arg.lstrip()
        for w in words:
            if not flags and (w == 'all' and not which or re.fullmatch(r'\$?\w*\d+(-\d+)?|\$\w+', w) and which != ['all']):
                which.append(w)
            elif w in ('-q', '-c', '-s') and which:
                flags.add(w)
            else:
                break
            rest = rest[len(w):].lstrip()
        if not which:
            raise gdb.GdbError('Please specify a vthread ID list.')
        return which, flags, rest

    @staticmethod
    def chosen(s, which):
        if which == ['all']:
            return list(s.vthreads())
        found = []
        for number in parse_ids(' '.join(which)):
            v = s.by_id(number)
            if v is None:
                gdb.write('warning: Unknown vthread %d\n' % number, gdb.STDERR)
            else:
                found.append(v)
        return found

    @staticmethod
    def apply(s, v, flags, command, from_tty):
        header = '' if '-q' in flags else '\n%s:\n' % s.title(v)
        try:
            s.select(v)
            if '-s' in flags:
                out = gdb.execute(command, from_tty, to_string=True)
                gdb.write(header + out)
                return
            gdb.write(header)
            gdb.execute(command, from_tty)
        except gdb.error as e:
            if '-s' in flags:
                return
            if '-c' not in flags:
                raise
            gdb.write('%s\n' % e)

    def complete(self, arg, word):
        m = re.match(r'\s*(all|[-\d\s$]+)\s(\s*-[qcs]\s)*\s*(.*)$', arg)
        if not m:
            return ['all'] if 'all'.startswith(word or '') else []
        rest = m.group(3)
        skip = len(rest) - len(word or '')
        lines = gdb.execute('complete ' + rest, to_string=True).splitlines()
        return [line[skip:] for line in lines if line.startswith(rest[:skip])]


class VthreadFind(gdb.Command):
    """Find vthreads that match a regular expression.
Usage: vthread find REGEX
Looks at the name, what it waits for, and the functions of the stack.  For each
match the number and what has matched, of the stack the innermost frame, are
printed."""

    def __init__(self):
        super().__init__('vthread find', gdb.COMMAND_STACK, gdb.COMPLETE_SYMBOL)

    def invoke(self, arg, from_tty):
        if not arg.strip():
            raise gdb.GdbError('Please specify a regular expression.')
        regex = compile_regex(arg)
        found = False
        with Session() as s:
            for v in list(s.vthreads()):
                what = self.match(s, v, regex)
                if what:
                    found = True
                    gdb.write('Vthread %d (tid %d) "%s" has %s\n' % (v.number, v.tid, v.name, what))
        if not found:
            gdb.write("No vthreads match '%s'\n" % arg.strip())

    @staticmethod
    def match(s, v, regex):
        if regex.search(v.name):
            return "name '%s'" % v.name
        wait = s.waits.text(v)
        if wait != '-' and regex.search(wait):
            return 'to wait for ' + wait
        for f in s.stacks.shape(v).frames:
            if f[1] and regex.search(f[1]):
                return '#%d %s' % (f[4], frame_text(f))
        return None
