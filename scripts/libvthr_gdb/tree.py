"""The native API's tasks as a tree: each below the thread that opened the scope it was spawned in."""

import gdb

from .memory import read, uint

MAX_SCOPES = 256  # around one vthread


def parent(desc, v, by_pd):
    """The number of the owner of the innermost scope around v that v did not open itself, or None."""
    inner, up, owner = desc.scopes
    try:
        scope = uint(read(v.ctx_tp + inner, 8)) if inner else 0
        for _ in range(MAX_SCOPES):
            if not scope:
                break
            pd = uint(read(scope + owner, 8))
            if pd != v.pd:
                return by_pd.get(pd)
            scope = uint(read(scope + up, 8))
    except gdb.MemoryError:
        pass
    return None


def tree(desc, vthreads):
    """[(vthread, depth)]: children behind their parent."""
    by_pd = {v.pd: v.number for v in vthreads}
    children = {}
    for v in vthreads:
        children.setdefault(parent(desc, v, by_pd), []).append(v)
    found = []
    stack = [(v, 0) for v in reversed(children.get(None, []))]
    while stack:
        v, depth = stack.pop()
        found.append((v, depth))
        stack.extend((c, depth + 1) for c in reversed(children.get(v.number, [])))
    return found
