"""info vthread-locks."""

import gdb

from .arguments import compile_regex
from .descriptor import OBJ_VTHREAD
from .session import Session
from .waits import who


class InfoVthreadLocks(gdb.Command):
    """Display which vthreads wait for which others.
Usage: info vthread-locks [REGEX]
With an argument, only the locks whose heading matches the regular expression.

For each mutex, each read-write lock that a writer has, and each vthread that is
joined: who has it, and who waits for it since when.  A cycle of them is shown as
a deadlock.  Threads that hold a read-write lock for reading are not known, nor
is who will post a semaphore or signal a condition."""

    def __init__(self):
        super().__init__('info vthread-locks', gdb.COMMAND_STATUS, gdb.COMPLETE_NONE)

    def invoke(self, arg, from_tty):
        regex = compile_regex(arg) if arg.strip() else None
        with Session() as s:
            if not s.desc.waits:
                raise gdb.GdbError('This libvthr.so does not say what its vthreads wait for.')
            vthreads = {v.number: v for v in s.vthreads()}
            blockers = {n: s.waits.blocker(v) for n, v in vthreads.items()}
            shown = self.locks(s, vthreads, blockers, regex)
            cycles = self.cycles(blockers)
            for cycle in cycles:
                self.deadlock(s, [vthreads[n] for n in cycle])
        if not shown and not cycles:
            gdb.write('No vthread waits for another.\n' if regex is None else 'No locks match.\n')

    @staticmethod
    def locks(s, vthreads, blockers, regex):
        waiting = {}
        for n, v in vthreads.items():
            wait = s.waits.wait(v)
            if wait is not None and (blockers[n] is not None or wait[2] is not None):
                waiting.setdefault((v.wait_obj, wait[1]), []).append(v)
        shown = 0
        for vs in waiting.values():
            name, kind, _ = s.waits.wait(vs[0])
            owner = blockers[vs[0].number]
            title = 'Vthread %s' % owner if kind == OBJ_VTHREAD else '%s %s' % (
                name.replace('rdlock', 'rwlock').replace('wrlock', 'rwlock').capitalize(), s.waits.object_text(vs[0], kind))
            title += ': ' if kind == OBJ_VTHREAD else ' held by %s: ' % (who(owner) if owner is not None else 'unknown')
            if kind != OBJ_VTHREAD and owner in vthreads:
                title = title[:-2] + ' "%s": ' % vthreads[owner].name
            if regex is not None and not regex.search(title):
                continue
            shown += 1
            gdb.write(title + '%d %s\n' % (len(vs), 'waits' if len(vs) == 1 else 'wait'))
            for v in vs:
                gdb.write('    Vthread %d (tid %d) "%s" %s %s\n' % (v.number, v.tid, v.name, s.waits.wait(v)[0], s.waits.since_text(v)))
        return shown

    @staticmethod
    def cycles(blockers):
        """Each waits for one other at the most: follow each path until it meets itself."""
        found, path_of = [], {}
        for start in blockers:
            path, at = [], start
            while at in blockers and at not in path_of:
                path_of[at] = start
                path.append(at)
                at = blockers[at]
            if path_of.get(at) == start and at in path:
                found.append(path[path.index(at):])
        return found

    @staticmethod
    def deadlock(s, vs):
        timed = any(v.has_deadline for v in vs)
        gdb.write('Deadlock of %d %s%s:\n' % (len(vs), 'vthread' if len(vs) == 1 else 'vthreads',
                                             ' until a wait times out' if timed else ''))
        for v in vs:
            gdb.write('    Vthread %d (tid %d) "%s" waits for %s\n' % (v.number, v.tid, v.name, s.waits.text(v)))
