# Runs inside gdb (see gdb_test.sh) and ends it with status 0 or 1.  $MODE is live, core, step, waits, waits_core or many.
import os
import re
import sys
import traceback

import gdb

N = 50
WAITS = ['wait_in_read', 'wait_in_cond', 'wait_in_mutex', 'wait_in_sleep', 'wait_in_accept']
WAIT_NAMES = [['read'], ['condition'], ['mutex'], ['sleep'], ['read', 'accept']]
ENDS = ('arch_entry', 'clone3', '__clone3', 'clone', 'main')
STRIPPED = 'STRIPPED' in os.environ  # the library: functions that it does not export have no names
failures = 0


def run(command):
    return gdb.execute(command, to_string=True)


def check(ok, what, evidence=''):
    global failures
    if not ok:
        failures += 1
        print('FAIL: ' + what)
        if evidence:
            print(evidence)


def section(what):
    print('-- ' + what, flush=True)


def frames(bt):
    """[(level, function, arguments)] of the text of a backtrace."""
    found = []
    for line in bt.splitlines():
        m = re.match(r'#(\d+)\s+(?:0x[0-9a-f]+ in )?([^\s(]+) \((.*)$', line)
        if m:
            found.append((int(m.group(1)), m.group(2), m.group(3)))
    if STRIPPED and found and found[-1][1] == '??' and re.search(r'^#%d .*/libvthr\.so' % found[-1][0], bt, re.M):
        found[-1] = (found[-1][0], 'arch_entry', found[-1][2])
    return found


def check_complete(bt, what):
    fs = frames(bt)
    check(fs and fs[-1][1] in ENDS, what + ': the stack ends in its start', bt)
    # Functions of libraries without symbols have no name.
    unknown = [line for line in bt.splitlines() if ' ?? ()' in line and not re.search(r' (from|at) /', line)]
    check('Backtrace stopped' not in bt and not unknown, what + ': no hole', bt)
    return fs


def check_job(i, bt):
    what = 'thread %d' % i
    fs = frames(bt)
    depth = 1 + i % 7
    check([f[0] for f in fs] == list(range(len(fs))), what + ': frames are numbered from 0', bt)
    check(fs[0][1] == 'arch_switch', what + ': frame 0', bt)
    names = [f[1] for f in fs]
    at = names.index(WAITS[i % 5]) if WAITS[i % 5] in names else -1
    if at < 0:
        check(False, what + ': is in ' + WAITS[i % 5], bt)
        return
    check(fs[at][2].startswith('id=%d)' % i), what + ': argument of the waiting function', bt)
    for level in range(depth, 0, -1):
        at += 1
        want = 'id=%d, level=%d, depth=%d)' % (i, level, depth)
        check(fs[at][1] == 'descend' and fs[at][2].startswith(want), what + ': level %d' % level, bt)
    at += 1
    check(fs[at][1] == 'job_start' and '<jobs' in fs[at][2], what + ': start routine', bt)
    check(fs[-1][1] == 'arch_entry' and 'Backtrace stopped' not in bt, what + ': ends', bt)


locals_seen = {}


def look_at_locals():
    """Called with a vthread presented: its variables, by gdb's Python interface."""
    f = gdb.selected_frame()
    while f is not None and f.name() != 'job_start':
        if f.name() == 'descend':
            key = int(f.read_var('id')), int(f.read_var('level'))
            locals_seen[key] = int(f.read_var('mark'))
        f = f.older()
    if f is not None:
        job = f.read_var('job').dereference()
        locals_seen[int(job['id'])] = int(job['depth'])


def vthread_row(line):
    """A line of info vthreads by columns.  Columns of more than a word are told apart by what can stand in them."""
    m = re.match(r'[ *] (?P<id>\d+) +(?P<tid>\d+) +"(?P<name>.*?)" +'
                 r'(?P<state>parked in [^ ]+|parked|ready|running \(LWP \d+\)|\S+) +(?P<wait>-|[a-z].*?) +'
                 r'(?P<since>-|\d[\d.]*[smhd]\+?) +(?P<start>\S+) +(?P<frame>.*)$', line)
    return m.groupdict() if m else None


def observe():
    """What live processes and core files have in common."""
    section('info threads, and the stacks of OS threads')
    run('thread apply all bt')
    listing = run('info threads')
    spinner = None
    for t in gdb.selected_inferior().threads():
        t.switch()
        bt = run('bt')
        fs = check_complete(bt, 'OS thread %d' % t.ptid[1])
        if any(f[1] == 'spin_inner' for f in fs):
            spinner = t
            names = [f[1] for f in fs]
            check(names[:3] == ['spin_inner', 'spin_outer', 'spin_start'], 'the spinning stack', bt)
            check(fs[0][2].startswith('key=4712') and fs[1][2].startswith('key=4711'), 'its arguments', bt)
            check(names[-1] == 'arch_entry', 'its end', bt)
    check(spinner is not None, 'an OS thread spins', listing)
    check('LWP %d' % spinner.ptid[1] in listing if spinner else False, 'info threads shows it', listing)
    spinner.switch()
    run('frame function spin_outer')
    chosen = gdb.selected_thread().num, gdb.selected_frame().level()

    section('info vthreads')
    out = run('info vthreads')
    lines = out.splitlines()
    check(len(lines) == 1 + N + 2, 'info vthreads lists the main thread, %d parked and one running' % N, out)
    ids = {}
    for line in lines[1:]:
        row = vthread_row(line)
        if not row:
            check(False, 'a line of info vthreads', line)
            continue
        number, name, state, start, frame = (row[k] for k in ('id', 'name', 'state', 'start', 'frame'))
        if name.startswith('job'):
            i = int(name[3:])
            ids[i] = int(number)
            check(state.startswith('parked') and start == 'job_start', 'job %d is parked' % i, line)
            check(row['wait'].split()[0] in WAIT_NAMES[i % 5], 'job %d: what it waits for' % i, line)
            check(frame.startswith(WAITS[i % 5] + ' at '), 'job %d: frame of the program' % i, line)
        elif start == 'spin_start':
            ids['spin'] = int(number)
            check(state == 'running (LWP %d)' % spinner.ptid[1] and frame.startswith('spin_'), 'the spinning one', line)
            check(line.startswith('*'), 'it is marked as current', line)
        else:
            check(number == '0' and start == 'main' and state == 'parked in sleep', 'the main thread', line)
    check(len(ids) == N + 1, 'all names are there', out)
    check((gdb.selected_thread().num, gdb.selected_frame().level()) == chosen, 'the selection is as before')
    out = run('info vthreads job4[0-9]')
    check(len(out.splitlines()) == 1 + 10, 'info vthreads REGEX', out)

    section('vthread apply all bt')
    out = run('vthread apply all bt')
    blocks = {int(m.group(1)): m.group(2)
              for m in re.finditer(r'^Vthread (\d+) .*?:\n((?:.+\n)*)', out, re.M)}
    check(len(blocks) == N + 2, 'a block for each', out)
    for i in range(N):
        check_job(i, blocks[ids[i]])
    check(frames(blocks[0])[-1][1] == 'main', 'the main thread ends in main', blocks[0])
    check([f[1] for f in frames(blocks[ids['spin']])][:3] == ['spin_inner', 'spin_outer', 'spin_start'], 'the spinning one',
          blocks[ids['spin']])

    section('vthread ID')
    out = run('vthread %d' % ids[17])
    check(out.startswith('Vthread %d ' % ids[17]), 'title', out)
    check_job(17, out.split('\n', 1)[1])
    if 'SEPARATE' in os.environ:  # the debug information in its own file is found and used
        check(re.search(r'switch_away \(v=.*runtime/sched/switch\.c:\d+', out), 'lines of the library', out)
    by_tid = run('vthread %d' % (4194304 + ids[17]))
    check(by_tid == out, 'by tid', by_tid)
    out = run('vthread %d' % ids['spin'])
    check('running (LWP %d)' % spinner.ptid[1] in out and 'spin_outer (key=4711)' in out, 'vthread of the spinning one', out)

    section('variables')
    run('vthread apply all -q python look_at_locals()')
    for i in range(N):
        check(locals_seen.get(i) == 1 + i % 7, 'thread %d: its job' % i)
        for level in range(1, 2 + i % 7):
            check(locals_seen.get((i, level)) == 1000 * i + level, 'thread %d: mark of level %d' % (i, level))
    out = run('vthread apply %d %d bt full' % (ids[6], ids[7]))
    check('mark = 6001' in out and 'mark = 6007' in out and 'mark = 7001' in out, 'bt full', out)

    section('vthread find')
    out = run('vthread find ^wait_in_(cond|sleep)$')
    found = sorted(int(m) for m in re.findall(r'^Vthread (\d+) ', out, re.M))
    check(found == sorted(ids[i] for i in range(N) if i % 5 in (1, 3)), 'vthread find', out)
    check("No vthreads match" in run('vthread find no_such_function'), 'vthread find of nothing')

    section('errors')
    for command, message in (('vthread 99999', 'Unknown vthread 99999.'), ('vthread', 'Please specify'),
                             ('vthread find', 'Please specify'), ('vthread find (', 'Invalid regexp'),
                             ('vthread apply 5', 'Please specify a command'), ('vthread apply bt', 'Please specify a vthread ID'),
                             ('vthread apply 5 no-such-command', 'Undefined command')):
        try:
            out = run(command)
            check(False, command + ' fails', out)
        except gdb.error as e:
            check(message in str(e), command, str(e))
    check((gdb.selected_thread().num, gdb.selected_frame().level()) == chosen, 'the selection is as before')
    check(frames(run('bt'))[0][1] == 'spin_inner', 'nothing of a vthread is left')
    check('info vthreads [-tree] [REGEX]' in run('help info vthreads') and 'vthread ID' in run('help vthread'), 'help')
    check('vthread apply 3 info locals' in run('complete vthread apply 3 info loc'), 'completion',
          run('complete vthread apply 3 info loc'))
    check('vthread apply' in run('complete vthread ap'), 'completion of subcommands')


def live():
    pid = int(os.environ['PID'])
    # Whatever writes is refused.
    run('set may-write-registers off')
    run('attach %d' % pid)
    observe()
    section('generate-core-file')
    out = run('vthread generate-core-file ' + os.environ['CORE'])
    check('Saved corefile' in out, 'core file', out)


def core():
    observe()
    try:
        run('set $rax = 1')
        check(False, 'a core file has no registers to write')
    except gdb.error:
        pass


def waits_in(plus):
    """What is said of the threads of waits.c."""
    section('info vthreads: what they wait for')
    out = run('info vthreads')
    rows = {}
    for line in out.splitlines()[1:]:
        row = vthread_row(line)
        check(row is not None, 'a line of info vthreads', line)
        if row:
            rows[row['name']] = row
    ids = {name: row['id'] for name, row in rows.items()}
    names = {row['id']: name for name, row in rows.items()}
    pipe, full, listener, epfd = os.environ['FDS'].split()
    main = 'vthread 0'
    want = {
        'sleep': 'sleep', 'task': 'sleep', 'mutex': 'mutex 0x# <taken> of ' + main, 'timed': 'mutex 0x# <taken> of ' + main,
        'condition': 'condition 0x# <never>', 'semaphore': 'semaphore 0x# <sem>', 'rdlock': 'rdlock 0x# <rwlock> of ' + main,
        'wrlock': 'wrlock 0x# <rwlock> of ' + main, 'barrier': 'barrier 0x# <barrier>', 'futex': 'futex 0x# <word>',
        'join': 'join vthread ' + ids['sleep'], 'read': 'read fd ' + pipe, 'write': 'write fd ' + full,
        'poll': 'poll fd %s,%s' % (pipe, listener), 'select': 'poll fd ' + pipe, 'epoll': 'epoll fd ' + epfd,
        'signal': 'signal', 'scope': 'scope 0x#', 'own': 'mutex 0x# <own> of vthread ' + ids['own'],
        'ring0': 'mutex 0x# <ring+40> of vthread ' + ids['ring1'], 'ring1': 'mutex 0x# <ring+80> of vthread ' + ids['ring2'],
        'ring2': 'mutex 0x# <ring> of vthread ' + ids['ring0'],
    }
    for name, text in want.items():
        got = re.sub(r'0x[0-9a-f]+', '0x#', rows[name]['wait'])
        check(got == text, '%s waits for %s' % (name, text), got)
    for pair in ({'sleep', 'once 0x# <once>'}, ('once1', 'once2')), ({'read fd ' + listener, 'accept turn fd ' + listener},
                                                                      ('accept1', 'accept2')):
        got = {re.sub(r'0x[0-9a-f]+', '0x#', rows[n]['wait']) for n in pair[1]}
        check(got == pair[0], '%s and %s' % pair[1], str(got))
    check(all(r['since'].endswith('+') == plus and r['since'] != '-' for r in rows.values()), 'since when', out)

    section('info vthread-locks')
    out = run('info vthread-locks')
    blocks = re.findall(r'^(\S.*)\n((?:    .*\n)*)', out, re.M)

    def named(lines):
        return sorted(re.findall(r'"(.*?)"', lines))
    found = {re.sub(r'0x[0-9a-f]+', '0x#', head): named(lines) for head, lines in blocks}
    for head, who in (('Mutex 0x# <taken> held by vthread 0 "%s": 2 wait' % rows_main(rows), ['mutex', 'timed']),
                      ('Rwlock 0x# <rwlock> held by vthread 0 "%s": 2 wait' % rows_main(rows), ['rdlock', 'wrlock']),
                      ('Vthread %s: 1 waits' % ids['sleep'], ['join']),
                      ('Mutex 0x# <own> held by vthread %s "own": 1 waits' % ids['own'], ['own']),
                      ('Deadlock of 3 vthreads:', ['ring0', 'ring1', 'ring2']),
                      ('Deadlock of 1 vthread:', ['own'])):
        check(found.get(head) == who, 'info vthread-locks: %s %s' % (head, who), out)
    check(out.count('Deadlock') == 2, 'no other deadlock', out)
    ring = re.search(r'^Deadlock of 3 vthreads:\n((?:    .*\n){3})', out, re.M)
    steps = re.findall(r'Vthread (\d+) .* of vthread (\d+)$', ring.group(1), re.M) if ring else []
    check(len(steps) == 3 and all(steps[i][1] == steps[(i + 1) % 3][0] for i in range(3)), 'each waits for the next', out)
    out = run('info vthread-locks taken')
    check('<taken>' in out and '<rwlock>' not in out and out.count('Deadlock') == 2, 'info vthread-locks REGEX', out)

    section('the tree of tasks')
    lines = run('info vthreads -tree').splitlines()
    at = [i for i, line in enumerate(lines) if '"scope"' in line]
    check(len(lines) == 28 and len(at) == 1 and re.match(r'  %s +%s +  "task" ' % (ids['task'], rows['task']['tid']), lines[at[0] + 1]),
          'the task is below the owner of its scope', '\n'.join(lines))
    check(sum('   "' in line for line in lines) >= 1 and len(run('info vthreads -tree ring').splitlines()) == 4, 'info vthreads -tree REGEX')
    check('info vthreads -tree' in run('complete info vthreads -'), 'completion of -tree')

    section('filters')
    out = run('info vthreads mutex')
    check({vthread_row(line)['name'] for line in out.splitlines()[1:]} == {'mutex', 'timed', 'own', 'ring0', 'ring1', 'ring2'},
          'info vthreads REGEX', out)
    out = run('vthread find <taken>')
    check(named(out) == ['mutex', 'timed'], 'vthread find in waits', out)
    out = run('vthread find ^ring1$')
    check(out == 'Vthread %s (tid %s) "ring1" has name \'ring1\'\n' % (ids['ring1'], rows['ring1']['tid']), 'vthread find a name', out)
    check('info vthread-locks [REGEX]' in run('help info vthread-locks'), 'help')
    check('info vthread-locks' in run('complete info vthread-'), 'completion')
    check(len(names) == 27, 'all names', str(names))


def many():
    """Threads at one place have one stack, which is walked once."""
    run('attach ' + os.environ['PID'])
    walked = []
    stacks = sys.modules['libvthr_gdb.stacks'].Stacks
    walk = stacks.walk
    stacks.walk = lambda self, v: walked.append(v.number) or walk(self, v)
    out = run('info vthreads')
    check(len(out.splitlines()) == 1 + 201 and out.count('wait_for_nothing at ') == 200, 'all are listed', out)
    # One that was woken early may have gone another way inside the library.
    check(len(walked) <= 10, 'each different stack is walked once: %d' % len(walked))


def server_in():
    """A thousand threads, each on a connection of its own, at whatever each of them does at the moment."""
    section('info vthreads')
    out = run('info vthreads')
    rows = re.findall(r'^[ *] \d+ +\d+ +"', out, re.M)  # gdb may warn of the core file in between
    check(len(rows) == 1001, 'all are listed: %d' % len(rows), out)
    section('vthread apply all bt')
    out = run('vthread apply all bt')
    blocks = re.findall(r'^Vthread (\d+) .*?:\n((?:.+\n)*)', out, re.M)
    check(len(blocks) == 1001, 'a stack for each: %d' % len(blocks))
    seen = []
    for number, bt in blocks:
        names = [f[1] for f in check_complete(bt, 'vthread ' + number)]
        if number == '0':
            check('client (n=1000)' in bt and names[-1] == 'main', 'the client', bt)
            continue
        serve = re.search(r' serve \(arg=(0x[0-9a-f]+)\)', bt)
        echo = re.search(r' echo \(fd=(\d+)\)', bt)
        check(serve is not None and names[-1] == 'arch_entry', 'vthread %s serves' % number, bt)
        if serve:
            seen.append(int(serve.group(1), 16))
            check(echo is None or int(echo.group(1)) == seen[-1], 'vthread %s: its connection' % number, bt)
    check(len(set(seen)) == 1000, 'a connection each: %d' % len(set(seen)))


def server():
    run('set may-write-registers off')
    run('attach ' + os.environ['PID'])
    server_in()


def server_core():
    server_in()


def rows_main(rows):
    return next(row['name'] for row in rows.values() if row['id'] == '0')


def waits():
    run('set may-write-registers off')
    run('attach ' + os.environ['PID'])
    waits_in(False)
    run('vthread generate-core-file ' + os.environ['CORE'])


def waits_core():
    waits_in(True)


def step():
    """Through the switch, one instruction at a time."""
    section('each instruction of arch_switch')
    run('set breakpoint pending on')
    run('set startup-with-shell off')
    run('set environment LD_PRELOAD ' + os.environ['LIB'])
    run('set args play')
    run('break arch_switch')
    run('run')
    kinds = set()
    stops = 0
    for hit in range(int(os.environ.get('HITS', '12'))):
        check(gdb.selected_frame().name() == 'arch_switch', 'at the switch', run('bt 3'))
        run('set scheduler-locking on')
        before = frames(run('bt'))[-2:]
        for _ in range(30):
            bt = run('bt')
            fs = check_complete(bt, 'hit %d at %s' % (hit, run('x/i $pc').strip()))
            names = [f[1] for f in fs]
            check(any(n in names for n in ('player_start', 'sched_loop', 'main', 'exit_entry', 'arch_entry')), 'known start', bt)
            if gdb.selected_frame().name() in ('arch_switch', 'arch_switch_rare'):
                stops += 1
                check(len([n for n in names if n.startswith('arch_switch')]) == 1, 'one switch on the stack', bt)
            if hit % 4 == 3:
                shown = run('info vthreads')
                running = re.findall(r'running \(LWP (\d+)\)', shown)
                check(len(running) == len(set(running)), 'no two vthreads run on one OS thread', shown)
                all_bt = run('vthread apply all bt')
                check('Backtrace stopped' not in all_bt, 'all stacks are whole', all_bt)
                for block in re.findall(r'^Vthread \d+ .*?:\n((?:.+\n)*)', all_bt, re.M):
                    check_complete(block, 'vthreads in mid-switch at ' + run('x/i $pc').strip())
            run('stepi')
        kinds.add((before[0][1] if before else '', frames(run('bt'))[-2:][0][1]))
        run('set scheduler-locking off')
        run('continue')
    check(stops > 20 * 6, 'instructions of the switch seen: %d' % stops)
    check(len(kinds) > 1, 'different kinds of switches seen: %s' % kinds)
    print('%d instructions, %s' % (stops, sorted(kinds)))
    run('kill')


try:
    for setting in ('pagination off', 'confirm off', 'width 0', 'debuginfod enabled off', 'print frame-arguments all',
                    'style enabled off'):
        gdb.execute('set ' + setting)
    gdb.execute('source ' + os.environ['SCRIPT'])
    {'live': live, 'core': core, 'step': step, 'waits': waits, 'waits_core': waits_core, 'many': many,
     'server': server, 'server_core': server_core}[os.environ['MODE']]()
except Exception:
    traceback.print_exc(file=sys.stdout)
    failures += 1
print('failures: %d' % failures, flush=True)
if gdb.selected_inferior().pid and os.environ['MODE'] in ('live', 'waits', 'many', 'server'):
    gdb.execute('detach', to_string=True)
gdb.execute('quit %d' % (1 if failures else 0))
