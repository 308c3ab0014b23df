// Names of threads: set on oneself and on others, read back, too long, inherited.
#include "check.h"
#include <semaphore.h>
#include <sys/prctl.h>

static sem_t named, asked;

static void *child(void *arg)
{
    (void)arg;
    char name[16];
    CHECK_EQ(pthread_getname_np(pthread_self(), name, sizeof name), 0);
    printf("inherited: %s\n", name);
    CHECK_EQ(pthread_setname_np(pthread_self(), "worker"), 0);
    CHECK_EQ(pthread_getname_np(pthread_self(), name, sizeof name), 0);
    printf("set: %s\n", name);
    sem_post(&named);
    sem_wait(&asked);
    CHECK_EQ(pthread_getname_np(pthread_self(), name, sizeof name), 0);
    printf("set by another: %s\n", name);
    CHECK_EQ(prctl(PR_SET_NAME, "by-prctl"), 0);
    CHECK_EQ(prctl(PR_GET_NAME, name), 0);
    printf("prctl: %s\n", name);
    return NULL;
}

int main(void)
{
    char name[16];
    sem_init(&named, 0, 0);
    sem_init(&asked, 0, 0);
    CHECK_EQ(pthread_setname_np(pthread_self(), "the-main"), 0);
    pthread_t t = start(child, NULL);
    sem_wait(&named);
    CHECK_EQ(pthread_getname_np(t, name, sizeof name), 0);
    printf("seen: %s\n", name);
    CHECK_EQ(pthread_getname_np(t, name, 15), ERANGE);
    CHECK_EQ(pthread_setname_np(t, "fifteen-letters"), 0);
    CHECK_EQ(pthread_setname_np(t, "sixteen-letters!"), ERANGE);
    sem_post(&asked);
    finish(t);
    CHECK_EQ(pthread_getname_np(pthread_self(), name, sizeof name), 0);
    printf("main: %s\n", name);
    return 0;
}
