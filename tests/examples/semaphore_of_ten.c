/* A semaphore of ten, and a task that never settles.
 *
 * A hundred tasks want one of ten connections. One of them hangs: its server never answers. Its call stack shows where. The deadline of
 * its scope ends it then, and its connection goes back by itself; the others all had theirs. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <vthr.h>

#define CONNECTIONS 10
#define TASKS 100

static vthr_semaphore *connections;
static vthr_event *hanging, *looked;
static int in_use, served, silent[2];

static int asks(void *arg, void **value)
{
    int r = vthr_acquire(connections);
    char c;

    (void)value;
    if (r)
        return r;
    if (__atomic_add_fetch(&in_use, 1, __ATOMIC_SEQ_CST) > CONNECTIONS)
        return ERANGE;
    if (arg) { /* this one hangs, until it is cancelled, with its connection */
        vthr_event_set(hanging);
        r = read(silent[0], &c, 1) < 0 ? errno : 0;
    } else {
        usleep(100);
    }
    __atomic_sub_fetch(&in_use, 1, __ATOMIC_SEQ_CST);
    if (r == 0)
        __atomic_add_fetch(&served, 1, __ATOMIC_SEQ_CST);
    return r; /* the token goes back here, whatever happened */
}

static int hangs(void *arg, void **value)
{
    vthr_scope *s;
    int r = vthr_scope_open(&s);

    (void)value;
    if (r)
        return r;
    r = vthr_spawn(s, NULL, asks, arg);
    if (r)
        vthr_scope_fail(s, r);
    if (vthr_event_wait(looked) == 0)
        vthr_scope_timeout(s, VTHR_MS(20));
    r = vthr_scope_leave(s);
    return r == ETIMEDOUT ? 0 : r; /* expected: the others are not to suffer */
}

/* With VTHR_DUMP_SIGNAL=QUIT and VTHR_DUMP_FILE=FILE in the environment a signal prints all stacks into FILE; an operator would send it,
 * and see the frame that is looked for here. */
static void look_at_stacks(const char *file)
{
    static char text[1 << 16];
    char *frame;
    size_t n;
    FILE *f;

    unlink(file);
    kill(getpid(), SIGQUIT);
    do {
        usleep(1000);
        f = fopen(file, "r");
        n = f ? fread(text, 1, sizeof text - 1, f) : 0;
        text[n] = 0;
        if (f)
            fclose(f);
    } while (!strstr(text, "end of stacks"));
    frame = strstr(text, " asks+");
    printf("hangs in:%.5s\n", frame ? frame : " ?");
}

int main(void)
{
    const char *file = getenv("VTHR_DUMP_FILE");
    vthr_scope *s;
    int r, left = 0;

    if (pipe(silent) || vthr_semaphore_new(&connections, CONNECTIONS) || vthr_event_new(&hanging) || vthr_event_new(&looked) ||
        vthr_scope_open(&s))
        return 1;
    vthr_spawn(s, NULL, hangs, &left);
    for (int i = 0; i < TASKS - 1; i++)
        vthr_spawn(s, NULL, asks, NULL);
    vthr_event_wait(hanging);
    if (file)
        look_at_stacks(file);
    vthr_event_set(looked);
    r = vthr_scope_leave(s);

    if (vthr_scope_open(&s))
        return 1;
    while (vthr_try_acquire(connections) == 0)
        left++;
    vthr_scope_leave(s);
    vthr_semaphore_free(connections);
    vthr_event_free(hanging);
    vthr_event_free(looked);
    printf("result %d, served %d, connections left %d\n", r, served, left);
    return 0;
}
