"""The target's memory.  It is only read, never written."""

import gdb


def read(addr, size):
    return bytes(gdb.selected_inferior().read_memory(addr, size))


def uint(data, offset=0, size=8):
    return int.from_bytes(data[offset:offset + size], 'little')


def text(data):
    return data.split(b'\0', 1)[0].decode('utf-8', 'backslashreplace')
