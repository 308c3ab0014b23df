"""What the commands have as arguments."""

import re

import gdb


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
