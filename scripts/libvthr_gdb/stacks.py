"""The functions of each vthread's stack, found once for all that are at the same place.

Ten thousand threads in one loop have one stack.  A walk notes where on the stack it found each return address; a stack with the
same words at the same places is the same."""

import gdb

from .memory import read, uint

MOST_AT_ONE_PLACE = 256
LARGEST = 1 << 16  # of stacks that are compared


class Shape:
    """A stack as a list of functions, and the stack words by which another vthread is seen to have the same one."""

    def __init__(self):
        self.frames = []  # (pc, function or None, file, line, level)
        self.slots = []   # (offset from the saved stack pointer, return address as it lies there)

    @property
    def span(self):
        return self.slots[-1][0] + 8 if self.slots else 0


class Stacks:
    def __init__(self, session):
        self.session = session
        self.desc = session.desc
        self.known = {}
        self.span = self.desc.frame_size  # of the largest that is known

    def shape(self, v):
        if v.mounted:
            return self.walk(v)
        stack = self.top(v)
        known = self.known.setdefault(uint(stack, self.desc.pc_offset), [])
        for s in known:
            if all(stack[offset:offset + 8] == ra for offset, ra in s.slots):
                return s
        s = self.walk(v)
        if s.slots is not None and len(known) < MOST_AT_ONE_PLACE:
            known.append(s)
            self.span = max(self.span, s.span)
        return s

    def top(self, v):
        """What a known shape may be seen by.  Beyond a stack's end there may be nothing to read."""
        span = self.span
        while span:
            try:
                return read(v.ctx_sp, span)
            except gdb.MemoryError:
                span //= 2
        return b''

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
        value = read(at, 8)
        if self.desc.pc_name == 'rip' and 0 <= offset < LARGEST and uint(value) == older.pc():
            s.slots.append((offset, value))
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
