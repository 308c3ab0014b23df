"""Names of addresses."""

import bisect
import re

import gdb


class Names:
    def __init__(self):
        self.symbols = {}
        self.sections = None

    def symbol(self, addr):
        name = self.symbols.get(addr)
        if name is None:
            out = gdb.execute('info symbol %#x' % addr, to_string=True)
            m = re.match(r'(.*) in section ', out)
            name = m.group(1) if m else '%#x' % addr
            self.symbols[addr] = name
        return name

    def object(self, addr):
        """A variable's address, with its name if it has one."""
        name = self.symbol(addr) if self.is_static(addr) else ''
        return '%#x' % addr + (' <%s>' % name.replace(' + ', '+') if name and not name.startswith('0x') else '')

    def is_static(self, addr):
        """In a program's or library's data: only there are symbols, and asking for each address takes time."""
        if self.sections is None:
            out = gdb.execute('info files', to_string=True)
            self.sections = sorted(tuple(int(x, 16) for x in m) for m in re.findall(r'(0x[0-9a-f]+) - (0x[0-9a-f]+) is \.', out))
        i = bisect.bisect(self.sections, (addr, 2**64)) - 1
        return i >= 0 and addr < self.sections[i][1]
