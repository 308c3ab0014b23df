"""Where the registers of a vthread are: in an OS thread, or saved in memory.  See runtime/diag/debug.h."""

import re

import gdb

from .memory import read, uint
from .present import presenter
from .vthread import Vthread


class Placing:
    def __init__(self, desc):
        self.desc = desc
        self.carriers = {}
        self.sps = {}
        self.by_tid = None

    def carrier(self, addr):
        c = self.carriers.get(addr)
        if c is None:
            data = read(addr, self.desc.carrier_size)
            c = {name: uint(data, *where) for name, where in self.desc.carrier.items()}
            self.carriers[addr] = c
        return c

    def threads(self):
        """gdb's threads by the kernel's number, as the process itself sees it."""
        if self.by_tid is None:
            inferior = gdb.selected_inferior()
            threads = {t.ptid[1]: t for t in inferior.threads()}
            if self.desc.main_tid() != inferior.pid:  # a process in a PID namespace, watched from outside
                threads = {self.inner_tid(inferior.pid, lwp): t for lwp, t in threads.items()}
            self.by_tid = threads
        return self.by_tid

    @staticmethod
    def inner_tid(pid, lwp):
        try:
            with open('/proc/%d/task/%d/status' % (pid, lwp)) as f:
                return int(re.search(r'^NSpid:.*\s(\d+)$', f.read(), re.M).group(1))
        except (OSError, AttributeError):
            return -lwp

    def sp(self, thread):
        """The stack pointer of an OS thread, or None if it runs."""
        if thread.num not in self.sps:
            selected = gdb.selected_thread()
            presenter.end()
            try:
                thread.switch()
                self.sps[thread.num] = int(gdb.newest_frame().read_register(self.desc.sp_name)) & (2**64 - 1)
            except gdb.error:
                self.sps[thread.num] = None
            finally:
                selected.switch()
        return self.sps[thread.num]

    def place(self, v):
        """Sets v.thread if an OS thread has its registers."""
        if not v.carrier:
            return
        c = self.carrier(v.carrier)
        v.lwp = c['tid']
        thread = self.threads().get(c['tid'])
        sp = self.sp(thread) if thread else None
        if sp is not None and self.occupant(c, sp) != v.addr:
            v.switching = True
            return
        v.thread = thread

    def occupant(self, c, sp):
        """Whose stack the stack pointer of carrier c is on: a vthread's address, or 0 for its own context."""
        candidates = [Vthread(self.desc, -1, a) for a in (c['cur'], c['prev']) if a]
        for v in candidates:
            if v.has_stack(sp):
                return v.addr
        # Neither is the case on stacks that the program made itself, and on that of the main thread.
        base = c['ctx_sp'] + self.desc.frame_size
        if c['ctx_sp'] and base - 65536 < sp <= base + 256 and (c['prev'] or not c['cur'] or candidates[0].stack_size):
            return 0
        if c['prev'] and c['cur'] and abs(sp - candidates[0].ctx_sp) > 4096:
            return c['prev']
        return c['cur'] or c['prev']
