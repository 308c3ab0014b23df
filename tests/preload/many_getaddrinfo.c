// 50 threads at once in getaddrinfo, which blocks in ways of its own, and 100 others that go on.
#include "check.h"
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/socket.h>

#define LOOKERS 50
#define OTHERS 100

static sem_t go;

static void *look(void *arg)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list;
    sem_wait(&go);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(getaddrinfo("localhost", "80", &hints, &list), 0);
        struct sockaddr_in *a = (struct sockaddr_in *)list->ai_addr;
        CHECK_EQ(a->sin_family, AF_INET);
        CHECK_EQ(a->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
        CHECK_EQ(a->sin_port, htons(80));
        freeaddrinfo(list);
        CHECK_EQ(getaddrinfo("192.0.2.7", NULL, &hints, &list), 0);
        freeaddrinfo(list);
    }
    return arg;
}

static void *other(void *arg)
{
    int p[2];
    char c;
    sem_wait(&go);
    CHECK_EQ(pipe(p), 0);
    for (int i = 0; i < 50; i++) {
        CHECK_EQ(write(p[1], "x", 1), 1);
        CHECK_EQ(read(p[0], &c, 1), 1);
        if (i % 10 == 0)
            usleep(100);
        sched_yield();
    }
    close(p[0]);
    close(p[1]);
    return arg;
}

int main(void)
{
    pthread_t l[LOOKERS], o[OTHERS];
    CHECK_EQ(sem_init(&go, 0, 0), 0);
    for (int i = 0; i < LOOKERS; i++)
        l[i] = start(look, &l[i]);
    for (int i = 0; i < OTHERS; i++)
        o[i] = start(other, &o[i]);
    for (int i = 0; i < LOOKERS + OTHERS; i++)
        sem_post(&go);
    for (int i = 0; i < OTHERS; i++)
        CHECK(finish(o[i]) == &o[i]);
    for (int i = 0; i < LOOKERS; i++)
        CHECK(finish(l[i]) == &l[i]);
    printf("%d looked up, %d others\n", LOOKERS, OTHERS);
    return 0;
}
