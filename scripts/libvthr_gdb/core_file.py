"""vthread generate-core-file."""

import os
import re
import struct

import gdb

from .memory import read


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
