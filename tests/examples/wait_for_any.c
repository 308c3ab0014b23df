/* "Wait for a task to be done, or a keyboard input, or a message" is one select.
 *
 * A task computes for a while, somebody sends messages, and a pipe stands for the keyboard. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <vthr.h>

static vthr_channel *messages;
static int keyboard[2];

static int computes(void *arg, void **value)
{
    static long answer = 42;

    (void)arg;
    *value = &answer;
    return 0;
}
static int chats(void *arg, void **value)
{
    (void)arg, (void)value;
    for (int i = 1; i <= 3; i++) {
        int r = vthr_send(messages, &i);

        if (r)
            return r;
    }
    return 0;
}
static int types(void *arg, void **value)
{
    (void)arg, (void)value;
    return write(keyboard[1], "key\n", 4) == 4 ? 0 : 5;
}

int main(void)
{
    int done = 0, keys = 0, sum = 0, message;
    vthr_scope *s;
    vthr_task *task;
    void *value;

    if (vthr_scope_open(&s) || vthr_channel_new(&messages, sizeof message, 0) || pipe(keyboard))
        return 1;
    vthr_spawn(s, &task, computes, NULL);
    vthr_spawn(s, NULL, chats, NULL);
    vthr_spawn(s, NULL, types, NULL);

    while (!done || !keys || sum < 6) {
        char line[80];
        ssize_t n;
        vthr_case c[] = {
            done ? vthr_off() : vthr_on_join(task, &value),
            vthr_on_readable(keyboard[0]),
            vthr_on_receive(messages, &message),
            vthr_on_time(vthr_after(VTHR_S(60))),
        };

        switch (vthr_select(c, 4)) {
        case 0:
            done = *(long *)value == 42;
            break;
        case 1:
            n = read(keyboard[0], line, sizeof line);
            keys += n == 4 && memcmp(line, "key\n", 4) == 0;
            break;
        case 2:
            sum += message;
            break;
        default: /* a minute without anything, or cancelled */
            return 1;
        }
    }
    if (vthr_scope_leave(s))
        return 1;
    vthr_channel_free(messages);
    printf("task %d, keys %d, messages %d\n", done, keys, sum);
    return 0;
}
