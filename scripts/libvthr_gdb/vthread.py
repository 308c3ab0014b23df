"""One vthread, as it was when the process stopped."""

import struct

from .memory import read, text

LIVE = 1
PARKING, PARKED = 1, 2
HOW_PARK, HOW_YIELD, HOW_EXIT = 1, 2, 3


class Layout:
    """Takes all fields out of a descriptor's bytes at once: with 100,000 vthreads this is what takes time."""

    CODES = {1: 'B', 2: 'H', 4: 'I', 8: 'Q'}

    def __init__(self, places):
        self.absent = {name: 0 for name, (_, size) in places.items() if not size}
        self.rows = []  # (struct, names): of one row no two fields overlap
        left = sorted((offset, size, name) for name, (offset, size) in places.items() if size)
        while left:
            form, names, at, later = '<', [], 0, []
            for offset, size, name in left:
                if offset < at:
                    later.append((offset, size, name))
                    continue
                form += '%dx%s' % (offset - at, '%ds' % size if name == 'name' else self.CODES[size])
                names.append(name)
                at = offset + size
            self.rows.append((struct.Struct(form), names))
            left = later

    def fields(self, data):
        found = dict(self.absent)
        for row, names in self.rows:
            found.update(zip(names, row.unpack_from(data)))
        found['name'] = text(found['name'])
        return found


class Vthread:
    def __init__(self, desc, number, addr):
        self.__dict__ = desc.layout.fields(read(addr, desc.vthread_size))
        self.number = number
        self.addr = addr
        self.thread = None      # gdb's thread that runs it
        self.lwp = None
        self.switching = False  # has a carrier, but its registers are saved

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
