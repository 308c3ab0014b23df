/* Boehm's collector: threads that allocate trees and lists, drop most of them, and check what they kept; others wait meanwhile. */
#define GC_THREADS
#include <gc.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

struct node {
    struct node *left, *right;
    long value;
};

static struct node *tree(int depth, long value)
{
    struct node *n = GC_MALLOC(sizeof *n);
    n->value = value;
    if (depth) {
        n->left = tree(depth - 1, 2 * value);
        n->right = tree(depth - 1, 2 * value + 1);
    }
    return n;
}

static long sum(struct node *n) { return n ? n->value + sum(n->left) + sum(n->right) : 0; }

static pthread_barrier_t together;
static int pipes[2];

static void *work(void *arg)
{
    long total = 0;
    struct node *kept = tree(8, (long)arg);
    pthread_barrier_wait(&together);
    for (int i = 0; i < 60; i++) {
        total += sum(tree(9, i));
        if (i % 20 == 0)
            usleep(100);
    }
    return (void *)(total + sum(kept));
}

static void *wait_in_read(void *arg)
{
    struct node *kept = tree(10, 7);
    char c;
    (void)arg;
    pthread_barrier_wait(&together);
    if (read(pipes[0], &c, 1) != 1)
        return (void *)1L;
    return (void *)sum(kept);
}

int main(void)
{
    enum { WORKERS = 12, WAITERS = 20 };
    pthread_t t[WORKERS + WAITERS];
    long total = 0;
    GC_INIT();
    if (pipe(pipes))
        return 1;
    pthread_barrier_init(&together, NULL, WORKERS + WAITERS);
    for (long i = 0; i < WORKERS + WAITERS; i++)
        if (pthread_create(&t[i], NULL, i < WORKERS ? work : wait_in_read, (void *)i))
            return 2;
    for (int i = 0; i < WORKERS; i++) {
        void *r;
        pthread_join(t[i], &r);
        total += (long)r;
    }
    GC_gcollect();
    for (int i = 0; i < WAITERS; i++)
        if (write(pipes[1], "x", 1) != 1)
            return 3;
    for (int i = WORKERS; i < WORKERS + WAITERS; i++) {
        void *r;
        pthread_join(t[i], &r);
        total += (long)r;
    }
    printf("%ld, collections: %s\n", total, GC_get_gc_no() > 0 ? "some" : "none");
    return 0;
}
