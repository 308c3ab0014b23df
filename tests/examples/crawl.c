/* A crawl that fans out, with bounded concurrency; and what happens when one page is broken: the first failure ends the crawl and is its
 * result. Pages are numbers; page n links to 2n + 1 and 2n + 2. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <vthr.h>

#define PAGES 500
#define AT_ONCE 8

static int fetched, at_once, broken;
static vthr_channel *links; /* of pages still to be fetched; those known are never more than PAGES */

struct page {
    int number;
};

static int fetch(void *arg, void **value)
{
    long n = (long)arg;
    int r = 0;

    (void)value;
    if (__atomic_add_fetch(&at_once, 1, __ATOMIC_SEQ_CST) > AT_ONCE)
        return ERANGE;
    usleep(50); /* the network */
    if (n == broken)
        r = EBADMSG;
    for (int i = 1; i <= 2 && r == 0; i++) {
        struct page next = { (int)n * 2 + i };

        if (next.number < PAGES)
            r = vthr_send(links, &next);
    }
    __atomic_add_fetch(&fetched, 1, __ATOMIC_SEQ_CST);
    __atomic_sub_fetch(&at_once, 1, __ATOMIC_SEQ_CST);
    return r;
}

static int crawl(void)
{
    struct page p = { 0 };
    vthr_scope *s;
    int r = 0;

    if (vthr_scope_open(&s) || vthr_channel_new(&links, sizeof p, PAGES))
        return ENOMEM;
    vthr_scope_limit(s, AT_ONCE); /* vthr_spawn waits for a place */
    vthr_send(links, &p);
    for (int i = 0; i < PAGES && r == 0; i++) {
        r = vthr_receive(links, &p); /* ends with ECANCELED, too, when a page was broken */
        if (r == 0)
            r = vthr_spawn(s, NULL, fetch, (void *)(long)p.number);
    }
    r = vthr_scope_leave(s);
    vthr_channel_free(links);
    return r;
}

int main(void)
{
    int r;

    broken = -1;
    r = crawl();
    printf("all well: result %d, fetched %d\n", r, fetched);
    fetched = at_once = 0;
    broken = 77;
    r = crawl();
    printf("one broken: result %s, some left out: %s\n", r == EBADMSG ? "EBADMSG" : "?", fetched < PAGES ? "yes" : "no");
    return 0;
}
