"""info vthreads."""

import re

import gdb

from .arguments import compile_regex
from .session import Session
from .stacks import frame_text
from .tree import tree


class InfoVthreads(gdb.Command):
    """Display currently known vthreads.
Usage: info vthreads [-tree] [REGEX]
With an argument, only those whose line in the list matches the regular
expression: "info vthreads parked in read", "info vthreads mutex".

-tree shows the tasks of the native API as a tree: behind the thread that opened
the scope they were spawned in, and indented.

The columns: the vthread's number for the "vthread" commands, what gettid()
returns to it, its name, what it does, what it waits for and since when, its
start routine, and the innermost frame that is not libvthr's.  A parked one has
called the function that "parked in" names.  A plus sign after the time, in core
files: as of when the program looked at its clock last.  An asterisk marks the
one that runs on the current thread.  See also "info vthread-locks"."""

    def __init__(self):
        super().__init__('info vthreads', gdb.COMMAND_STATUS)

    def complete(self, arg, word):
        return ['-tree'[len(arg) - len(word or ''):]] if '-tree'.startswith(arg) else []

    def invoke(self, arg, from_tty):
        flag = re.match(r'\s*-tree\b\s*', arg)
        arg = arg[flag.end():] if flag else arg
        regex = compile_regex(arg) if arg.strip() else None
        rows = []
        total = 0
        with Session() as s:
            vthreads = list(s.vthreads())
            for v, depth in tree(s.desc, vthreads) if flag else ((v, 0) for v in vthreads):
                total += 1
                hook, frame = s.stacks.program_frame(s.stacks.shape(v))
                current = v.thread is not None and v.thread.num == s.user_thread.num
                row = ('*' if current else ' ', str(v.number), str(v.tid), '  ' * depth + '"%s"' % v.name, s.state(v, hook), s.waits.text(v),
                       s.waits.since_text(v), s.start(v), frame_text(frame) if frame else '(in libvthr)')
                if regex is None or regex.search(' '.join(row)):
                    rows.append(row)
        if not rows:
            gdb.write('No vthreads match.\n' if total else 'No vthreads.\n')
            return
        table = [(' ', 'Id', 'Tid', 'Name', 'State', 'Waits for', 'Since', 'Start', 'Frame')] + rows
        width = [max(len(row[i]) for row in table) for i in range(8)]
        gdb.write(''.join(' '.join(cell.ljust(w) for cell, w in zip(row, width)) + ' ' + row[8] + '\n' for row in table))
