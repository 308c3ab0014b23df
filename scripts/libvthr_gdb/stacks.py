"""The functions of each vthread's stack, found once for all that are at the same place.

Ten thousand threads in one loop have one stack.  A walk notes where on the stack it found each return address; a stack with the
same words at the same places is the same."""

import gdb

from .memory import read, uint

MOST_AT_ONE_PLACE = 256


class Shape:
    """A stack as a list of functions, and the stack words by which another vthread is seen to have the same one."""

    def __init__(self):
        self.frames = []  # (pc, function or None, file, line, level)
        self.slots = []   # (offset from the saved stack pointer, return address)

    @property
    def span(self):
        return self.slots[-1][0] + 8 if self.slots else 0


class Stacks:
    def __init__(self, session):
        self.session = session
        self.desc = session.desc
        self.known = {}

    def shape(self, v):
        if v.mounted:
            return self.walk(v)
        known = []
        try:
            pc = uint(read(v.ctx_sp + self.desc.pc_offset, 8))
            known = self.known.setdefault(pc, [])
            stack = b''
            for s in known:
                if len(stack) < s.span:
                    stack = read(v.ctx_sp, s.span)
                if all(uint(stack, offset) == ra for offset, ra in s.slots):
                    return s
        except gdb.MemoryError:
            pass
        s = self.walk(v)
        if s.slots is not None and len(known) < MOST_AT_ONE_PLACE:
            known.append(s)
        return s

    def walk(self, v):
        s = Shape()
        try:
            frame = self.session.select(v)
            while frame is not None:
                sal = frame.find_sal()
                pc = frame.pc()
                s.frames.append((pc, frame.name(), sal.symtab.filename if sal.symtab else None, sal.line, frame.level()))
                older = frame.older()
                # gdb tells of functions that left by a tail call too: nothing on the stack is theirs.
                if older is not None and frame.type() != gdb.INLINE_FRAME and older.type() != gdb.TAILCALL_FRAME:
                    self.note_slot(s, v, older)
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


def frame_text(f):
    pc, name, filename, line, _ = f
    if filename:
        return '%s at %s:%d' % (name or '??', filename, line)
    lib = gdb.solib_name(pc)
    return '%#x in %s%s' % (pc, name or '??', ' from ' + lib if lib else '')
