"""One command's view of the vthreads: which there are, and one of them selected as gdb selects a thread."""

import gdb

from .descriptor import Descriptor
from .memory import read, uint
from .names import Names
from .placing import Placing
from .present import presenter
from .stacks import Stacks
from .vthread import HOW_EXIT, HOW_PARK, HOW_YIELD, LIVE, PARKED, PARKING, Vthread
from .waits import Waits


class Session:
    """As a context manager it gives the user's selection back at the end."""

    def __init__(self):
        if gdb.selected_thread() is None:
            raise gdb.error('No vthreads: the program is not running.')
        self.desc = Descriptor()
        self.names = Names()
        self.placing = Placing(self.desc)
        self.waits = Waits(self.desc, self.names)
        self.stacks = Stacks(self)
        self.host = None

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
        if not self.desc.is_active():
            return
        yield from self.one(0, self.desc.main)
        for i, addr in enumerate(self.desc.all_shells()):
            yield from self.one(i + 1, addr)

    def one(self, number, addr):
        try:
            v = Vthread(self.desc, number, addr)
        except gdb.MemoryError:
            gdb.write('warning: vthread %d at %#x cannot be read\n' % (number, addr), gdb.STDERR)
            return
        if v.life == LIVE:
            self.placing.place(v)
            yield v

    def by_id(self, number):
        """number: as listed, or as the program's gettid() says it.  None: there is no such vthread."""
        d = self.desc
        if not d.is_active():
            return None
        if number in (0, d.main_tid()):
            number, addr = 0, d.main
        else:
            if number > d.tid_base:
                number %= d.tid_base
            addr = d.shell(number)
        return next(self.one(number, addr), None) if addr else None

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
        if v.mounted:
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

    # --- in words ---

    def state(self, v, hook=None):
        """hook: the function of the library that v called."""
        if v.switching:
            if self.placing.carrier(v.carrier)['cur'] == v.addr:
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
        return self.names.symbol(v.start) if v.start else '?'
