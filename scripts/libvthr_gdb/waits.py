"""What vthreads wait for, whom, and since when."""

import struct
import time

import gdb

from .descriptor import OBJ_ADDRESS, OBJ_CALL, OBJ_FD, OBJ_POLLFDS, OBJ_VTHREAD
from .memory import read, uint

FDS_SHOWN = 4
# Below each limit in seconds: seconds of one unit, and how it is written.
AGES = ((10, 1, '%.2fs'), (120, 1, '%ds'), (7200, 60, '%dm'), (172800, 3600, '%dh'), (float('inf'), 86400, '%dd'))


class Waits:
    def __init__(self, desc, names):
        self.desc = desc
        self.names = names
        self.clock = None

    def wait(self, v):
        """(name of what v waits for, kind of object, offset of an owner in it or None), or None if it does not wait."""
        if not (v.parked or v.blocked) or not 0 < v.wait_kind < len(self.desc.waits):
            return None
        name, obj, owner_size, owner = self.desc.waits[v.wait_kind]
        return name, obj, owner if owner_size else None

    def blocker(self, v):
        """The number of the vthread that v waits for, ('LWP', tid) of another thread, or None."""
        wait = self.wait(v)
        if wait is None:
            return None
        try:
            if wait[1] == OBJ_VTHREAD:
                return self.number_of(uint(read(v.wait_obj, self.desc.vthread_size), *self.desc.vthread['tid']))
            if wait[2] is not None:
                return self.number_of(uint(read(v.wait_obj + wait[2], 4), 0, 4))
        except gdb.MemoryError:
            pass
        return None

    def number_of(self, tid):
        if tid == 0:
            return None
        if tid == self.desc.main_tid():
            return 0
        return tid % self.desc.tid_base if tid > self.desc.tid_base else ('LWP', tid)

    # --- in words ---

    def object_text(self, v, kind):
        d = self.desc
        try:
            if kind == OBJ_ADDRESS:
                return self.names.object(v.wait_obj)
            if kind == OBJ_VTHREAD:
                return 'vthread %s' % self.blocker(v)
            if kind == OBJ_FD:
                return 'fd %d' % uint(read(v.wait_obj, d.fdesc_fd[0] + d.fdesc_fd[1]), *d.fdesc_fd) if v.wait_obj else ''
            if kind == OBJ_POLLFDS:
                n = min(v.wait_n, FDS_SHOWN)
                fds = [fd for fd, in struct.iter_unpack('<i4x', read(v.wait_obj, 8 * n))]
                return 'fd ' + ','.join(map(str, fds)) + (',... (%d)' % v.wait_n if v.wait_n > n else '') if n else ''
            if kind == OBJ_CALL:
                return '%d (%d, ...)' % (v.wait_obj, v.wait_n) if v.wait_obj else ''
        except gdb.MemoryError:
            return '%#x' % v.wait_obj
        return ''

    def text(self, v):
        wait = self.wait(v)
        if wait is None:
            return '-'
        words = [wait[0], self.object_text(v, wait[1])]
        if wait[2] is not None:
            owner = self.blocker(v)
            if owner is not None:
                words.append('of ' + who(owner))
        return ' '.join(w for w in words if w)

    def now(self):
        """(ns of the target's CLOCK_MONOTONIC, whether that is exact)"""
        if self.clock is None:
            d = self.desc
            connection = getattr(gdb.selected_inferior(), 'connection', None)
            if connection is not None and connection.type == 'native':
                self.clock = time.clock_gettime_ns(time.CLOCK_MONOTONIC), True
            else:
                procs = uint(read(d.procs, 8))
                self.clock = max(uint(read(procs + i * d.proc_size, d.proc_size), *d.proc_now)
                                 for i in range(uint(read(d.nprocs, 4), 0, 4))), False
        return self.clock

    def since_text(self, v):
        if self.wait(v) is None:
            return '-'
        now, exact = self.now()
        s = max(now - v.wait_since, 0) / 1e9
        _, unit, word = next(a for a in AGES if s < a[0])
        # In a core file: when the program looked at its clock last.
        return word % (s / unit) + ('' if exact else '+')


def who(blocker):
    return 'LWP %d' % blocker[1] if isinstance(blocker, tuple) else 'vthread %d' % blocker
