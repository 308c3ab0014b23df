"""Faults by which the library mends thread pointers: they do not stop a program under gdb."""

import gdb

from .descriptor import Descriptor


class OwnFaults:
    """Where the kernel lacks FSGSBASE the library mends thread pointers by a SIGSEGV (VTHR_FAST_SWITCH in the manual).
    Those do not stop a program that gdb was attached to; the program's own still do, by a catchpoint with a condition."""

    def __init__(self):
        self.pids = set()

    def quiet(self, _event=None):
        inferior = gdb.selected_inferior()
        if inferior.pid in self.pids or not inferior.pid:
            return
        try:
            d = Descriptor()
        except gdb.error:
            return
        self.pids.add(inferior.pid)
        if d.trap_size:
            gdb.execute('handle SIGSEGV nostop noprint pass', to_string=True)
            gdb.execute('catch signal SIGSEGV', to_string=True)
            gdb.execute('condition $bpnum (unsigned long) $_siginfo._sifields._sigfault.si_addr - %dul >= %dul'
                        % (d.trap_lo, d.trap_size), to_string=True)


own_faults = OwnFaults()


def register():
    own_faults.quiet()
    gdb.events.stop.connect(own_faults.quiet)


def unregister():
    gdb.events.stop.disconnect(own_faults.quiet)
