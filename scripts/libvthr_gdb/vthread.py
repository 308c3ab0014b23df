"""One vthread, as it was when the process stopped."""

from .descriptor import VTHREAD_FIELDS_2
from .memory import read, text

LIVE = 1
PARKING, PARKED = 1, 2
HOW_PARK, HOW_YIELD, HOW_EXIT = 1, 2, 3


class Vthread:
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
        return self.waiter_word & 7 in (PARKING, PARKED) and not self.mounted

    @property
    def blocked(self):
        """In a call that may block its OS thread."""
        return bool(self.blocked_in) and self.mounted

    @property
    def mounted(self):
        """Its registers are those of its OS thread."""
        return bool(self.carrier) and not self.switching

    def has_stack(self, sp):
        return self.stack_lo < sp <= self.stack_lo + self.stack_size
