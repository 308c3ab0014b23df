"""What the library says of itself: vthr_debug.  docs/debug-interface.md has the layout."""

import re
import struct

import gdb

from .memory import read, text, uint
from .vthread import Layout

VERSION = 1
MAX_REGS = 24
SUPPORTED_SIZE = 276  # up to the first register

VTHREAD_FIELDS = (
    'ctx_sp ctx_tp tid life carrier start arg wait_obj name stack_lo stack_size waiter_word how in_rt pd sigmask '
    'sigpending blocked_in').split()
CARRIER_FIELDS = 'ctx_sp ctx_tp tid cur prev proc'.split()
# Beyond the first form of the descriptor.
VTHREAD_FIELDS_2 = 'wait_kind wait_n wait_since deadline has_deadline guard_size user_stack join'.split()
AT_VTHREAD_2, AT_WAITS, WAIT_SIZE, AT_COUNTERS = 568, 616, 16, 1256
AT_SCOPES = 1840
OBJ_NONE, OBJ_ADDRESS, OBJ_FD, OBJ_VTHREAD, OBJ_POLLFDS, OBJ_CALL = range(6)  # see Waits there


class Descriptor:
    """What vthr_debug says.  Raises gdb.error when there is none that can be used."""

    def __init__(self):
        try:
            addr = int(gdb.parse_and_eval("(unsigned long long)(char *)&'vthr_debug'"))
        except gdb.error:
            addr = self.by_symbol_table()
        if addr is None:
            raise gdb.error('No vthreads: libvthr.so is not loaded in this program.')
        try:
            head = read(addr, 16)
        except gdb.MemoryError:
            raise gdb.error('No vthreads: the program is not running.')
        magic, version, size = struct.unpack('<8sII', head)
        if magic != b'vthrdbg\0':
            raise gdb.error('No vthreads: libvthr.so is not initialized yet, or its descriptor is damaged.')
        if version != VERSION or size < SUPPORTED_SIZE:
            raise gdb.error('This libvthr.so describes its vthreads in format %d; the script knows format %d.  '
                            'Use the script of that version.' % (version, VERSION))
        data = read(addr, size)
        self._main_tid = None
        (self.image_lo, self.image_hi, self.active, self.main, self.registry, self.nshells, self.nlive, self.procs,
         self.nprocs) = struct.unpack_from('<9Q', data, 32)
        if not self.active:
            raise gdb.error('No vthreads: the program is not running.')
        self.tid_base, self.vthread_size, self.carrier_size, self.proc_size = struct.unpack_from('<4I', data, 104)
        self.vthread = dict.fromkeys(VTHREAD_FIELDS_2, (0, 0))
        self.vthread.update(self.fields(data, 120, VTHREAD_FIELDS))
        self.carrier = self.fields(data, 192, CARRIER_FIELDS)
        (self.frame_size,) = struct.unpack_from('<I', data, 232)
        self.sp_name = text(data[236:244])
        self.tp_name = text(data[244:252])
        _, n_regs, self.arch_switch = struct.unpack_from('<HHQ', data, 252)
        self.regs = []
        for i in range(n_regs):
            name, offset, _ = struct.unpack_from('<8sHH', data, 264 + 12 * i)
            self.regs.append((text(name), offset))
        # Beyond the list of registers, and only in libraries that have it: where a SIGSEGV is the library's own.
        self.trap_lo = self.trap_size = 0
        if size >= 264 + 12 * MAX_REGS + 16:
            lo, length = struct.unpack_from('<QQ', data, 264 + 12 * MAX_REGS)
            self.trap_lo, self.trap_size = (struct.unpack('<Q', read(p, 8))[0] for p in (lo, length))
        self.waits = []
        if size >= AT_COUNTERS:
            self.vthread.update(self.fields(data, AT_VTHREAD_2, VTHREAD_FIELDS_2))
            self.proc_now, self.fdesc_fd = (struct.unpack_from('<HH', data, at) for at in (600, 604))
            for i in range(min(uint(data, 608, 4), (AT_COUNTERS - AT_WAITS) // WAIT_SIZE)):
                name, *rest = struct.unpack_from('<12sBBH', data, AT_WAITS + WAIT_SIZE * i)
                self.waits.append((text(name), *rest))
        self.layout = Layout(self.vthread)
        # The native API's scopes: places, as far as any was opened.
        self.scopes = (0, 0, 0)
        if size >= AT_SCOPES + 8:
            self.scopes = struct.unpack('<qII', read(uint(data, AT_SCOPES), 16))
        self.pc_name = 'rip' if any(name == 'rip' for name, _ in self.regs) else 'pc'
        self.pc_offset = dict(self.regs)[self.pc_name]

    @staticmethod
    def by_symbol_table():
        """In languages whose expressions are not C's."""
        out = gdb.execute('info address vthr_debug', to_string=True)
        m = re.search(r'address (0x[0-9a-f]+)', out)
        return int(m.group(1), 16) if m else None

    @staticmethod
    def fields(data, at, names):
        return {name: struct.unpack_from('<HH', data, at + 4 * i) for i, name in enumerate(names)}

    def is_active(self):
        """A thread was made: there are vthreads."""
        return uint(read(self.active, 4), 0, 4) != 0

    def all_shells(self):
        """Addresses of vthreads 1, 2 and so on, which need not live."""
        n = uint(read(self.nshells, 4), 0, 4)
        return [addr for addr, in struct.iter_unpack('<Q', read(uint(read(self.registry, 8)), 8 * n))] if n else []

    def shell(self, number):
        """The address of one of them, or 0."""
        known = 1 <= number <= uint(read(self.nshells, 4), 0, 4)
        return uint(read(uint(read(self.registry, 8)) + 8 * (number - 1), 8)) if known else 0

    def main_tid(self):
        if self._main_tid is None:
            self._main_tid = uint(read(self.main, self.vthread_size), *self.vthread['tid'])
        return self._main_tid

    def internal(self, pc):
        return self.image_lo <= pc < self.image_hi
