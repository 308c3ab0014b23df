/* A chat server, and guests who use it.
 *
 * Each guest is a scope of two tasks: one reads his lines, one writes to him what is in his outbox. The hall is a task that alone knows who
 * is there: everybody tells it what happens by one channel, and it puts each line into each outbox; so all see the same order. Who does
 * not read for a second, with a full outbox, is shown out by cancelling his scope. The guests' scope is inside the hall's: who goes
 * can always say so. Nothing is locked. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vthr.h>

#define GUESTS 5
#define LINES 20
#define LINE 64

struct line {
    char text[LINE];
};
struct guest {
    int fd;
    vthr_scope *scope;
    vthr_channel *outbox; /* closed by the hall when it knows him no more */
    struct guest *next;
};
struct event {
    enum { COMES, SAYS, GOES } kind;
    struct guest *who;
    struct line line;
};

static vthr_channel *events;

/* --- The hall --- */

static void tell_all(struct guest *all, const struct line *line)
{
    for (struct guest *g = all; g; g = g->next)
        if (vthr_send_until(g->outbox, line, vthr_after(VTHR_S(1))) == ETIMEDOUT)
            vthr_scope_cancel(g->scope); /* he will be reported as going */
}

static int hall(void *arg, void **value)
{
    struct guest *all = NULL, **at;
    struct event e;
    int n = 0;

    (void)arg, (void)value;
    for VTHR_EACH (e, events) {
        switch (e.kind) {
        case COMES:
            e.who->next = all;
            all = e.who;
            snprintf(e.line.text, LINE, "%d here", ++n);
            tell_all(all, &e.line);
            break;
        case SAYS:
            tell_all(all, &e.line);
            break;
        case GOES:
            for (at = &all; *at != e.who; at = &(*at)->next)
                ;
            *at = e.who->next;
            n--;
            vthr_channel_close(e.who->outbox);
            break;
        }
    }
    return 0;
}

/* --- A guest, at the server --- */

static int read_line(FILE *f, struct line *l)
{
    if (!fgets(l->text, LINE, f))
        return 0;
    l->text[strcspn(l->text, "\n")] = 0;
    return 1;
}

static int writes(void *arg, void **value)
{
    struct guest *g = arg;
    struct line l;

    (void)value;
    for VTHR_EACH (l, g->outbox)
        if (dprintf(g->fd, "%s\n", l.text) < 0)
            return errno == ECANCELED ? ECANCELED : 0; /* he hung up: the reader sees it, too */
    return 0;
}

static int tell_hall(struct guest *g, int kind, const struct line *l)
{
    struct event e = { .kind = kind, .who = g };

    if (l)
        e.line = *l;
    return vthr_send(events, &e);
}

static int serve(struct guest *g)
{
    FILE *in = fdopen(dup(g->fd), "r");
    struct line l;
    vthr_scope *farewell;
    int r = in ? tell_hall(g, COMES, NULL) : ENOMEM;

    if (r)
        return r;
    vthr_spawn(g->scope, NULL, writes, g);
    while (r == 0 && read_line(in, &l))
        r = tell_hall(g, SAYS, &l);
    fclose(in);
    if (vthr_scope_open(&farewell)) /* said also if we are cancelled */
        return ENOMEM;
    vthr_scope_shield(farewell);
    tell_hall(g, GOES, NULL);
    while (vthr_receive(g->outbox, &l) == 0) /* until the hall has closed it */
        ;
    vthr_scope_leave(farewell);
    return 0;
}

static int guest(void *arg, void **value)
{
    struct guest g = { .fd = (int)(long)arg };

    (void)value;
    if (vthr_channel_new(&g.outbox, sizeof(struct line), 8))
        return ENOMEM;
    if (vthr_scope_open(&g.scope) == 0) {
        serve(&g);
        vthr_scope_leave(g.scope);
    }
    vthr_channel_free(g.outbox);
    close(g.fd);
    return 0;
}

static int server(void *arg, void **value)
{
    vthr_scope *s;
    int fd;

    (void)value;
    if (vthr_scope_open(&s))
        return ENOMEM;
    while ((fd = accept((int)(long)arg, NULL, NULL)) >= 0) /* until it is cancelled */
        if (vthr_spawn(s, NULL, guest, (void *)(long)fd))
            close(fd);
    return vthr_scope_leave(s);
}

/* --- The guests, at their end --- */

struct seen {
    unsigned long order; /* of the lines: a number that depends on it */
    int lines;
};
static struct sockaddr_in address;
static struct seen seen[GUESTS];

static int visits(void *arg, void **value)
{
    int me = (int)(long)arg, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct line l;
    FILE *in;

    (void)value;
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) || !(in = fdopen(dup(fd), "r")))
        return errno;
    do /* until all are there */
        if (!read_line(in, &l))
            return EPROTO;
    while (atoi(l.text) != GUESTS);
    for (int i = 0; i < LINES; i++)
        if (dprintf(fd, "guest %d says %d\n", me, i) < 0)
            return errno;
    while (seen[me].lines < GUESTS * LINES && read_line(in, &l)) {
        seen[me].lines++;
        for (const char *p = l.text; *p; p++)
            seen[me].order = seen[me].order * 31 + (unsigned char)*p;
    }
    fclose(in);
    close(fd);
    return 0;
}

int main(void)
{
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0), all = 0, same = 0, r;
    vthr_scope *house, *s;

    address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, GUESTS) ||
        getsockname(fd, (struct sockaddr *)&address, &len) || vthr_channel_new(&events, sizeof(struct event), 0) || vthr_scope_open(&house))
        return 1;
    vthr_spawn(house, NULL, hall, NULL); /* around the guests: it is there until the last has gone */
    if (vthr_scope_open(&s))
        return 1;
    vthr_spawn_daemon(s, NULL, server, (void *)(long)fd);
    for (long i = 0; i < GUESTS; i++)
        vthr_spawn(s, NULL, visits, (void *)i);
    r = vthr_scope_leave(s);
    vthr_channel_close(events);
    vthr_scope_leave(house);
    vthr_channel_free(events);
    close(fd);
    for (int i = 0; i < GUESTS; i++) {
        all += seen[i].lines == GUESTS * LINES;
        same += seen[i].order == seen[0].order;
    }
    printf("result %d, all lines seen by %d, in the same order by %d of %d\n", r, all, same, GUESTS);
    return 0;
}
