"""The stack of a vthread that no OS thread runs, presented to gdb.

While a command runs, an unwinder claims the innermost frame of some OS thread, the host, and says that its caller's
registers are those that the vthread saved when it switched away.  All frames from 1 up are then the vthread's own, and
bt, frame, up, info locals, print work on them.  Frame 0 would be the host's: a frame filter shows it as arch_switch, which
is where the vthread is.  The frame cache is flushed before and after, so nothing of this remains when the command ends.

What does not follow: thread-local variables and $_thread are the host's while a vthread is presented."""

import gdb
import gdb.unwinder
from gdb.FrameDecorator import FrameDecorator


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


presenter = Presenter()
frame_filter = PresentedFilter()


def register():
    gdb.frame_filters[frame_filter.name] = frame_filter
    gdb.unwinder.register_unwinder(None, presenter, replace=True)
