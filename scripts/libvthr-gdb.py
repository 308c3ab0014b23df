# Virtual threads (vthreads) of libvthr in gdb: live processes and core files alike.
#
#   info vthreads [-tree] [REGEX]    list them, and what each waits for
#   info vthread-locks [REGEX] who waits for whom; deadlocks
#   vthread ID                 the stack of one
#   vthread apply all bt       the stacks of all; any command in place of bt
#   vthread find REGEX         those whose name, wait or stack matches
#   vthread generate-core-file [FILE]    gdb's generate-core-file, with the stacks
#
# Loading.  gdb loads the file by itself when it lies beside the library as libvthr.so-gdb.py (the build puts it there)
# or in gdb's auto-load directory (`cmake --install` puts it there), if its safe path allows the place:
#       add-auto-load-safe-path /path/to/build        in ~/.gdbinit
# or, by hand, at any time:
#       source scripts/libvthr-gdb.py
#
# How it works.  The library exports a descriptor, vthr_debug (docs/debug-interface.md), with the places and layouts of what is
# read here: no debug information of the library is needed.  Nothing in the target is ever written, no register either,
# which is what makes core files work.  Instead the stack of a vthread that no OS thread runs is *presented*: while a command
# runs, an unwinder claims the innermost frame of some OS thread, the host, and says that its caller's registers are
# those that the vthread saved when it switched away.  All frames from 1 up are then the vthread's own, and bt, frame, up,
# info locals, print work on them.  Frame 0 would be the host's: a frame filter shows it as arch_switch, which is where the
# vthread is.  The frame cache is flushed before and after, so nothing of this remains when the command ends.
#
# The file from top to bottom: what the library says of itself; a stack presented to gdb; Session, one command's view of all
# vthreads; the commands; core files; the library's own faults.  gdb loads one file by itself, so it is one.
#
# What does not follow: thread-local variables and $_thread are the host's while a vthread is presented.

import bisect
import os
import re
import struct
import time

import gdb
import gdb.unwinder
from gdb.FrameDecorator import FrameDecorator

VERSION = 1
MAX_REGS = 24
SUPPORTED_SIZE = 276  # up to the first register
LIVE = 1
PARKING, PARKED = 1, 2
HOW_PARK, HOW_YIELD, HOW_EXIT = 1, 2, 3

VTHREAD_FIELDS = (
    'ctx_sp ctx_tp tid life carrier start arg wait_obj name stack_lo stack_size waiter_word how in_rt pd sigmask '
    'sigpending blocked_in').split()
CARRIER_FIELDS = 'ctx_sp ctx_tp tid cur prev proc'.split()
# Beyond the first form of the descriptor.
VTHREAD_FIELDS_2 = 'wait_kind wait_n wait_since deadline has_deadline guard_size user_stack join'.split()
AT_VTHREAD_2, AT_WAITS, WAIT_SIZE, AT_COUNTERS = 568, 616, 16, 1256
AT_SCOPES = 1840
MAX_SCOPES = 256  # around one vthread
OBJ_NONE, OBJ_ADDRESS, OBJ_FD, OBJ_VTHREAD, OBJ_POLLFDS, OBJ_CALL = range(6)
FDS_SHOWN = 4


def read(addr, size):
    return bytes(gdb.selected_inferior().read_memory(addr, size))


def uint(data, offset=0, size=8):
    return int.from_bytes(data[offset:offset + size], 'little')


def text(data):
    return data.split(b'\0', 1)[0].decode('utf-8', 'backslashreplace')


# ------------------------------------------------------------ what the library says of itself


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
        (self.image_lo, self.image_hi, self.active, self.main, self.registry, self.nshells, self.nlive, self.procs,
         self.nprocs) = struct.unpack_from('<9Q', data, 32)
        if not self.active:
            raise gdb.error('No vthreads: the program is not running.')
        self.tid_base, self.vthread_size, self.carrier_size, self.proc_size = struct.unpack_from('<4I', data, 104)
        self.vthread = self.fields(data, 120, VTHREAD_FIELDS)
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

    def internal(self, pc):
        return self.image_lo <= pc < self.image_hi


class Vthread:
    """One vthread, as it was when the process stopped."""

    def __init__(self, desc, number, addr):
        self.data = read(addr, desc.vthread_size)
        self.places = desc.vthread
        self.number = number
        self.addr = addr
        self.thread = None     # gdb's thread that runs it
        self.lwp = None
        self.switching = False # has a carrier, but its registers are saved

    def __getattr__(self, name):
        """Fields of the descriptor, when they are asked for: with many vthreads most are not."""
        place = self.places.get(name)
        if place is None and name not in VTHREAD_FIELDS_2:
            raise AttributeError(name)
        offset, size = place or (0, 0)
        value = self.data[offset:offset + size]
        self.__dict__[name] = value = text(value) if name == 'name' else int.from_bytes(value, 'little')
        return value

    @property
    def parked(self):
        return self.waiter_word & 7 in (PARKING, PARKED) and (not self.carrier or self.switching)

    @property
    def blocked(self):
        """In a call that may block its OS thread."""
        return bool(self.blocked_in) and bool(self.carrier) and not self.switching

    def has_stack(self, sp):
        return self.stack_lo < sp <= self.stack_lo + self.stack_size


# ------------------------------------------------------------ a stack presented to gdb


class Shape:
    """A stack as a list of functions, and the stack words by which another vthread is seen to have the same one."""

    def __init__(self):
        self.frames = []  # (pc, function or None, file, line, level)
        self.slots = []   # (offset from the saved stack pointer, return address)
        self.complete = True
        self.reason = None

    @property
    def span(self):
        return self.slots[-1][0] + 8 if self.slots else 0


class Presenter(gdb.unwinder.Unwinder):
    """Shows a vthread's saved registers as the caller's of the host's innermost frame."""

    def __init__(self):
        super().__init__('vthread')
        self.active = None

    def present(self, desc, host, saved):
        """saved: {register: value}.  host: (sp, pc) of the selected thread."""
        self.active = None
        gdb.invalidate_cached_frames()
        self.desc, self.host, self.saved = desc, host, saved
        self.active = True
        frame_filter.enabled = True

    def end(self):
        if self.active:
            self.active = None
            frame_filter.enabled = False
            gdb.invalidate_cached_frames()

    def is_host(self, frame):
        return (int(frame.read_register(self.desc.sp_name)) & (2**64 - 1), int(frame.read_register(self.desc.pc_name)) &
                (2**64 - 1)) == self.host

    def __call__(self, pending):
        if not self.active or not self.is_host(pending):
            return None
        desc = self.desc
        word = pending.architecture().integer_type(64, False)
        frame_id = FrameId(gdb.Value(self.saved[desc.sp_name]).cast(word), gdb.Value(desc.arch_switch).cast(word))
        info = pending.create_unwind_info(frame_id)
        for name, value in self.saved.items():
            try:
                info.add_saved_register(name, gdb.Value(value).cast(word))
            except ValueError:  # a core file need not have fs_base
                pass
        return info


class FrameId:
    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


class SwitchedOut(FrameDecorator):
    """The host's frame as arch_switch."""

    def __init__(self, base, address):
        super().__init__(base)
        self._address = address

    def function(self):
        return 'arch_switch'

    def address(self):
        return self._address

    def filename(self):
        return None

    def line(self):
        return None

    def frame_args(self):
        return None

    def frame_locals(self):
        return None


class Nameless(FrameDecorator):
    """A function without a symbol, written as backtraces without filters write it."""

    def function(self):
        return '??'


class PresentedFilter:
    name = 'vthread'
    priority = 1000000
    enabled = False

    def filter(self, frames):
        return self.frames(frames) if presenter.active else frames

    def frames(self, frames):
        in_host = last = None
        for deco in frames:
            last = deco.inferior_frame()
            if in_host is None:
                in_host = presenter.is_host(last)
            if not in_host:
                yield deco if last.name() else Nameless(deco)
            elif last.type() != gdb.INLINE_FRAME:  # functions inlined into the host's frame have its registers
                in_host = False
                yield SwitchedOut(deco, presenter.desc.arch_switch)
        reason = last.unwind_stop_reason() if last else gdb.FRAME_UNWIND_NO_REASON
        if reason > gdb.FRAME_UNWIND_OUTERMOST:
            gdb.write('Backtrace stopped: %s\n' % gdb.frame_stop_reason_string(reason))


# ------------------------------------------------------------ one command's view


class Session:
    """One command's view of the vthreads.  As a context manager it gives the user's selection back at the end."""

    def __init__(self):
        if gdb.selected_thread() is None:
            raise gdb.error('No vthreads: the program is not running.')
        self.desc = Descriptor()
        self.host = None
        self.sps = {}
        self.carriers = {}
        self.shapes = {}
        self.symbols = {}

    def __enter__(self):
        self.user_thread = gdb.selected_thread()
        try:
            self.user_level = gdb.selected_frame().level()
        except gdb.error:
            self.user_level = 0
        return self

    def __exit__(self, *exc):
        presenter.end()
        self.user_thread.switch()
        if self.user_level:
            try:
                gdb.execute('select-frame level %d' % self.user_level, to_string=True)
            except gdb.error:
                pass
        return False

    # --- vthreads ---

    def vthreads(self):
        """All that live, by number."""
        d = self.desc
        if uint(read(d.active, 4), 0, 4) == 0:
            return
        yield from self.one(0, d.main)
        n = uint(read(d.nshells, 4), 0, 4)
        table = read(uint(read(d.registry, 8)), 8 * n) if n else b''
        for i, (addr,) in enumerate(struct.iter_unpack('<Q', table)):
            yield from self.one(i + 1, addr)

    def one(self, number, addr):
        try:
            v = Vthread(self.desc, number, addr)
        except gdb.MemoryError:
            gdb.write('warning: vthread %d at %#x cannot be read\n' % (number, addr), gdb.STDERR)
            return
        if v.life == LIVE:
            self.place(v)
            yield v

    def by_id(self, number):
        d = self.desc
        if uint(read(d.active, 4), 0, 4):
            main = Vthread(d, 0, d.main)
            n = uint(read(d.nshells, 4), 0, 4)
            if number == 0 or number == main.tid:
                number, addr = 0, d.main
            else:
                if number > d.tid_base:  # as the program's gettid() says it
                    number %= d.tid_base
                addr = uint(read(uint(read(d.registry, 8)) + 8 * (number - 1), 8)) if 1 <= number <= n else 0
            for v in self.one(number, addr) if addr else ():
                return v
        return None

    # --- where a vthread's registers are ---

    def carrier(self, addr):
        c = self.carriers.get(addr)
        if c is None:
            data = read(addr, self.desc.carrier_size)
            c = {name: uint(data, *where) for name, where in self.desc.carrier.items()}
            self.carriers[addr] = c
        return c

    def threads(self):
        """gdb's threads by the kernel's number, as the process itself sees it."""
        if not hasattr(self, '_threads'):
            inferior = gdb.selected_inferior()
            threads = {t.ptid[1]: t for t in inferior.threads()}
            main_tid = uint(read(self.desc.main, self.desc.vthread_size), *self.desc.vthread['tid'])
            if main_tid != inferior.pid:  # a process in a PID namespace, watched from outside
                threads = {self.inner_tid(inferior.pid, lwp): t for lwp, t in threads.items()}
            self._threads = threads
        return self._threads

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
        """Sets v.thread if an OS thread has its registers.  See runtime/diag/debug.h."""
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

    # --- looking at one ---

    def choose_host(self):
        """Any OS thread will do; best one whose innermost function is not inlined, because then its frame is number 0."""
        threads = [self.user_thread] + [t for t in gdb.selected_inferior().threads() if t.num != self.user_thread.num]
        found = None
        presenter.end()
        for t in threads:
            try:
                t.switch()
                frame = gdb.newest_frame()
                regs = tuple(int(frame.read_register(r)) & (2**64 - 1) for r in (self.desc.sp_name, self.desc.pc_name))
            except gdb.error:  # it runs
                continue
            plain = frame.type() != gdb.INLINE_FRAME
            if plain or not found:
                found = t, regs
            if plain:
                break
        if not found:
            raise gdb.error('No thread of the program is stopped.')
        self.host = found

    def saved_registers(self, v):
        d = self.desc
        frame = read(v.ctx_sp, d.frame_size)
        saved = {name: uint(frame, offset) for name, offset in d.regs}
        saved[d.sp_name] = v.ctx_sp + d.frame_size
        saved[d.tp_name] = v.ctx_tp
        return saved

    def select(self, v):
        """Makes v's stack the current one and its innermost frame the selected one.  Returns that frame."""
        if v.carrier and not v.switching:
            presenter.end()
            if v.thread is None:
                raise gdb.error('Vthread %d runs on LWP %d, which gdb does not have.' % (v.number, v.lwp))
            v.thread.switch()
            frame = gdb.newest_frame()
            frame.select()
            return frame
        saved = self.saved_registers(v)
        if self.host is None:
            self.choose_host()
        thread, regs = self.host
        if gdb.selected_thread().num != thread.num:
            thread.switch()
        presenter.present(self.desc, regs, saved)
        frame = gdb.newest_frame()
        while frame and frame.type() == gdb.INLINE_FRAME:
            frame = frame.older()
        frame = frame.older() if frame else None
        if frame is None:
            raise gdb.error('The stack of vthread %d cannot be unwound.' % v.number)
        frame.select()
        return frame

    # --- shapes: the functions of a stack, found once for all vthreads that are at the same place ---

    def shape(self, v):
        if v.carrier and not v.switching:
            return self.walk(v)
        try:
            pc = uint(read(v.ctx_sp + self.desc.pc_offset, 8))
            known = self.shapes.setdefault(pc, [])
            stack = b''
            for s in known:
                if len(stack) < s.span:
                    stack = read(v.ctx_sp, s.span)
                if all(uint(stack, offset) == ra for offset, ra in s.slots):
                    return s
        except gdb.MemoryError:
            pass
        s = self.walk(v)
        if s.slots is not None and len(known) < 256:
            known.append(s)
        return s

    def walk(self, v):
        s = Shape()
        try:
            frame = self.select(v)
            while frame is not None:
                sal = frame.find_sal()
                pc = frame.pc()
                s.frames.append((pc, frame.name(), sal.symtab.filename if sal.symtab else None, sal.line, frame.level()))
                older = frame.older()
                # gdb tells of functions that left by a tail call too: nothing on the stack is theirs.
                if older is not None and frame.type() != gdb.INLINE_FRAME and older.type() != gdb.TAILCALL_FRAME:
                    self.note_slot(s, v, older)
                if older is None:
                    s.reason = frame.unwind_stop_reason()
                frame = older
        except (gdb.error, RuntimeError):
            s.slots = None
        return s

    def note_slot(self, s, v, older):
        """x86-64: the return address lies below the caller's stack pointer."""
        if s.slots is None:
            return
        at = (int(older.read_register(self.desc.sp_name)) & (2**64 - 1)) - 8
        offset = at - v.ctx_sp
        if self.desc.pc_name == 'rip' and 0 <= offset < 1 << 20 and uint(read(at, 8)) == older.pc():
            s.slots.append((offset, older.pc()))
        else:
            s.slots = None  # signal frames and the like: this stack is walked each time

    def program_frame(self, shape):
        """(name of the hook that the program called, or None, the frame that called it, or None)"""
        hook = None
        for f in shape.frames:
            if not self.desc.internal(f[0]):
                return hook, f
            hook = f[1]
        return None, None

    # --- what they wait for ---

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
        d = self.desc
        if not hasattr(self, '_main_tid'):
            self._main_tid = uint(read(d.main, d.vthread_size), *d.vthread['tid'])
        if tid == 0:
            return None
        if tid == self._main_tid:
            return 0
        return tid % d.tid_base if tid > d.tid_base else ('LWP', tid)

    # --- the tree of the native API's tasks ---

    def parent(self, v, by_pd):
        """The number of the owner of the innermost scope around v that v did not open itself, or None."""
        inner, up, owner = self.desc.scopes
        try:
            scope = uint(read(v.ctx_tp + inner, 8)) if inner else 0
            for _ in range(MAX_SCOPES):
                if not scope:
                    break
                pd = uint(read(scope + owner, 8))
                if pd != v.pd:
                    return by_pd.get(pd)
                scope = uint(read(scope + up, 8))
        except gdb.MemoryError:
            pass
        return None

    def tree(self, vthreads):
        """[(vthread, depth)]: children behind their parent."""
        by_pd = {v.pd: v.number for v in vthreads}
        children = {}
        for v in vthreads:
            children.setdefault(self.parent(v, by_pd), []).append(v)
        found = []
        stack = [(v, 0) for v in reversed(children.get(None, []))]
        while stack:
            v, depth = stack.pop()
            found.append((v, depth))
            stack.extend((c, depth + 1) for c in reversed(children.get(v.number, [])))
        return found

    def object_text(self, v, kind):
        d = self.desc
        try:
            if kind == OBJ_ADDRESS:
                return self.address_text(v.wait_obj)
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

    def wait_text(self, v):
        wait = self.wait(v)
        if wait is None:
            return '-'
        words = [wait[0], self.object_text(v, wait[1])]
        if wait[2] is not None:
            owner = self.blocker(v)
            if owner is not None:
                words.append('of ' + self.who(owner))
        return ' '.join(w for w in words if w)

    @staticmethod
    def who(blocker):
        return 'LWP %d' % blocker[1] if isinstance(blocker, tuple) else 'vthread %d' % blocker

    def address_text(self, addr):
        name = self.symbol(addr) if self.is_static(addr) else ''
        return '%#x' % addr + (' <%s>' % name.replace(' + ', '+') if name and not name.startswith('0x') else '')

    def is_static(self, addr):
        """In a program's or library's data: only there are symbols, and asking for each address takes time."""
        if not hasattr(self, '_static'):
            out = gdb.execute('info files', to_string=True)
            self._static = sorted(tuple(int(x, 16) for x in m) for m in re.findall(r'(0x[0-9a-f]+) - (0x[0-9a-f]+) is \.', out))
        i = bisect.bisect(self._static, (addr, 2**64)) - 1
        return i >= 0 and addr < self._static[i][1]

    def now(self):
        """(ns of the target's CLOCK_MONOTONIC, whether that is exact)"""
        if not hasattr(self, '_now'):
            d = self.desc
            inferior = gdb.selected_inferior()
            connection = getattr(inferior, 'connection', None)
            if connection is not None and connection.type == 'native':
                self._now = time.clock_gettime_ns(time.CLOCK_MONOTONIC), True
            else:
                procs = uint(read(d.procs, 8))
                self._now = max(uint(read(procs + i * d.proc_size, d.proc_size), *d.proc_now)
                                for i in range(uint(read(d.nprocs, 4), 0, 4))), False
        return self._now

    def since_text(self, v):
        if self.wait(v) is None:
            return '-'
        now, exact = self.now()
        s = max(now - v.wait_since, 0) / 1e9
        for limit, unit, word in ((10, 0, '%.2fs'), (120, 1, '%ds'), (7200, 60, '%dm'), (172800, 3600, '%dh'), (1e18, 86400, '%dd')):
            if s < limit:
                break
        # In a core file: when the program looked at its clock last.
        return word % (s / unit if unit else s) + ('' if exact else '+')

    # --- words ---

    def symbol(self, addr):
        name = self.symbols.get(addr)
        if name is None:
            out = gdb.execute('info symbol %#x' % addr, to_string=True)
            m = re.match(r'(.*) in section ', out)
            name = m.group(1) if m else '%#x' % addr
            self.symbols[addr] = name
        return name

    def state(self, v, hook=None):
        if v.switching:
            if self.carrier(v.carrier)['cur'] == v.addr:
                return 'ready'
            return {HOW_PARK: 'parked', HOW_YIELD: 'ready', HOW_EXIT: 'exiting'}.get(v.how, 'switching')
        if v.carrier:
            return 'running (LWP %d)' % (v.thread.ptid[1] if v.thread else v.lwp)
        if v.waiter_word & 7 in (PARKING, PARKED):
            return 'parked in %s' % hook if hook else 'parked'
        return 'ready'

    def title(self, v):
        return 'Vthread %d (tid %d) "%s" (%s)' % (v.number, v.tid, v.name, self.state(v))

    def start(self, v):
        if v.number == 0:
            return 'main'
        return self.symbol(v.start) if v.start else '?'

    @staticmethod
    def frame_text(f):
        pc, name, filename, line, _ = f
        if filename:
            return '%s at %s:%d' % (name or '??', filename, line)
        lib = gdb.solib_name(pc)
        return '%#x in %s%s' % (pc, name or '??', ' from ' + lib if lib else '')


# ------------------------------------------------------------ the commands


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
            for v, depth in s.tree(vthreads) if flag else ((v, 0) for v in vthreads):
                total += 1
                hook, frame = s.program_frame(s.shape(v))
                current = v.thread is not None and v.thread.num == s.user_thread.num
                row = ('*' if current else ' ', str(v.number), str(v.tid), '  ' * depth + '"%s"' % v.name, s.state(v, hook), s.wait_text(v),
                       s.since_text(v), s.start(v), s.frame_text(frame) if frame else '(in libvthr)')
                if regex is None or regex.search(' '.join(row)):
                    rows.append(row)
        if not rows:
            gdb.write('No vthreads match.\n' if total else 'No vthreads.\n')
            return
        table = [(' ', 'Id', 'Tid', 'Name', 'State', 'Waits for', 'Since', 'Start', 'Frame')] + rows
        width = [max(len(row[i]) for row in table) for i in range(8)]
        for row in table:
            gdb.write(' '.join(cell.ljust(w) for cell, w in zip(row, width)) + ' ' + row[8] + '\n')


class InfoVthreadLocks(gdb.Command):
    """Display which vthreads wait for which others.
Usage: info vthread-locks [REGEX]
With an argument, only the locks whose heading matches the regular expression.

For each mutex, each read-write lock that a writer has, and each vthread that is
joined: who has it, and who waits for it since when.  A cycle of them is shown as
a deadlock.  Threads that hold a read-write lock for reading are not known, nor
is who will post a semaphore or signal a condition."""

    def __init__(self):
        super().__init__('info vthread-locks', gdb.COMMAND_STATUS, gdb.COMPLETE_NONE)

    def invoke(self, arg, from_tty):
        regex = compile_regex(arg) if arg.strip() else None
        with Session() as s:
            if not s.desc.waits:
                raise gdb.GdbError('This libvthr.so does not say what its vthreads wait for.')
            vthreads = {v.number: v for v in s.vthreads()}
            blockers = {n: s.blocker(v) for n, v in vthreads.items()}
            shown = self.locks(s, vthreads, blockers, regex)
            cycles = self.cycles(blockers)
            for cycle in cycles:
                self.deadlock(s, [vthreads[n] for n in cycle])
        if not shown and not cycles:
            gdb.write('No vthread waits for another.\n' if regex is None else 'No locks match.\n')

    @staticmethod
    def locks(s, vthreads, blockers, regex):
        waiting = {}
        for n, v in vthreads.items():
            wait = s.wait(v)
            if wait is not None and (blockers[n] is not None or wait[2] is not None):
                waiting.setdefault((v.wait_obj, wait[1]), []).append(v)
        shown = 0
        for vs in waiting.values():
            name, kind, _ = s.wait(vs[0])
            owner = blockers[vs[0].number]
            title = 'Vthread %s' % owner if kind == OBJ_VTHREAD else '%s %s' % (
                name.replace('rdlock', 'rwlock').replace('wrlock', 'rwlock').capitalize(), s.object_text(vs[0], kind))
            title += ': ' if kind == OBJ_VTHREAD else ' held by %s: ' % (s.who(owner) if owner is not None else 'unknown')
            if kind != OBJ_VTHREAD and owner in vthreads:
                title = title[:-2] + ' "%s": ' % vthreads[owner].name
            if regex is not None and not regex.search(title):
                continue
            shown += 1
            gdb.write(title + '%d %s\n' % (len(vs), 'waits' if len(vs) == 1 else 'wait'))
            for v in vs:
                gdb.write('    Vthread %d (tid %d) "%s" %s %s\n' % (v.number, v.tid, v.name, s.wait(v)[0], s.since_text(v)))
        return shown

    @staticmethod
    def cycles(blockers):
        """Each waits for one other at the most: follow each path until it meets itself."""
        found, path_of = [], {}
        for start in blockers:
            path, at = [], start
            while at in blockers and at not in path_of:
                path_of[at] = start
                path.append(at)
                at = blockers[at]
            if path_of.get(at) == start and at in path:
                found.append(path[path.index(at):])
        return found

    @staticmethod
    def deadlock(s, vs):
        timed = any(v.has_deadline for v in vs)
        gdb.write('Deadlock of %d %s%s:\n' % (len(vs), 'vthread' if len(vs) == 1 else 'vthreads',
                                             ' until a wait times out' if timed else ''))
        for v in vs:
            gdb.write('    Vthread %d (tid %d) "%s" waits for %s\n' % (v.number, v.tid, v.name, s.wait_text(v)))


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
        wait = s.wait_text(v)
        if wait != '-' and regex.search(wait):
            return 'to wait for ' + wait
        for f in s.shape(v).frames:
            if f[1] and regex.search(f[1]):
                return '#%d %s' % (f[4], s.frame_text(f))
        return None


def compile_regex(arg):
    try:
        return re.compile(arg.strip())
    except re.error as e:
        raise gdb.GdbError('Invalid regexp: %s' % e)


def parse_ids(arg):
    ids = []
    for w in arg.split():
        m = re.fullmatch(r'(\d+)(?:-(\d+))?', w)
        if m:
            first, last = int(m.group(1)), int(m.group(2) or m.group(1))
        elif re.fullmatch(r'\$\w+', w):
            first = last = int(gdb.parse_and_eval(w))
        else:
            raise gdb.GdbError('Invalid vthread ID: %s' % w)
        if last < first:
            raise gdb.GdbError('inverted range')
        ids.extend(range(first, last + 1))
    return ids


# ------------------------------------------------------------ core files


class VthreadGenerateCoreFile(gdb.Command):
    """Save a core file of the program, with all stacks of vthreads.
Usage: vthread generate-core-file [FILE]
As "generate-core-file", which stops copying a mapping at the first page it
cannot read: on Linux 6.13 and later the guard pages of vthreads' stacks are
such pages in the middle of mappings.  What it left out is filled in.
Core files that the kernel writes need no such help."""

    def __init__(self):
        super().__init__('vthread generate-core-file', gdb.COMMAND_FILES, gdb.COMPLETE_FILENAME)

    def invoke(self, arg, from_tty):
        if gdb.selected_thread() is None:
            raise gdb.GdbError('The program is not running.')
        name = arg.strip() or 'core.%d' % gdb.selected_inferior().pid
        out = gdb.execute('generate-core-file ' + name, to_string=True)
        gaps = [int(m, 16) for m in re.findall(r'Memory read failed for corefile section, \d+ bytes at (0x[0-9a-f]+)', out)]
        with open(os.path.expanduser(name), 'r+b') as f:
            for start in gaps:
                self.fill(f, start)
        gdb.write('Saved corefile %s\n' % name)

    def fill(self, f, start):
        for vaddr, offset, size in self.segments(f):
            if vaddr <= start < vaddr + size:
                self.copy(f, offset - vaddr, start, vaddr + size)

    @staticmethod
    def segments(f):
        """(address, file offset, size) of what an ELF64 core file holds of the memory."""
        f.seek(0)
        ehdr = f.read(64)
        phoff, = struct.unpack_from('<Q', ehdr, 32)
        phentsize, phnum, shentsize, _, _ = struct.unpack_from('<5H', ehdr, 54)
        if phnum == 0xffff:  # PN_XNUM: the number is in the first section header
            f.seek(struct.unpack_from('<Q', ehdr, 40)[0])
            phnum, = struct.unpack_from('<I', f.read(shentsize), 44)
        f.seek(phoff)
        table = f.read(phentsize * phnum)
        found = []
        for i in range(phnum):
            kind, _, offset, vaddr, _, filesz = struct.unpack_from('<IIQQQQ', table, phentsize * i)
            if kind == 1 and filesz:
                found.append((vaddr, offset, filesz))
        return found

    def copy(self, f, delta, start, end):
        """The readable pages of start..end, in pieces as large as possible; the file has zeros there already."""
        size = 1 << 20
        at = start
        while at < end:
            step = min(size, end - at)
            try:
                data = read(at, step)
            except gdb.MemoryError:
                if step <= 4096:
                    at += step
                    size = 1 << 20
                else:
                    size = (step // 2 + 4095) & ~4095
                    size = size if size < step else 4096
                continue
            if data.strip(b'\0'):
                f.seek(at + delta)
                f.write(data)
            at += step


# ------------------------------------------------------------ the library's own faults


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


# Loaded again (another program, an edited script): the new definitions take over.
presenter = Presenter()
frame_filter = PresentedFilter()
gdb.frame_filters[frame_filter.name] = frame_filter
gdb.unwinder.register_unwinder(None, presenter, replace=True)
InfoVthreads()
InfoVthreadLocks()
VthreadCommand()
VthreadApply()
VthreadFind()
VthreadGenerateCoreFile()
own_faults = OwnFaults()
own_faults.quiet()
gdb.events.stop.connect(own_faults.quiet)
