// Joining a thread that detached itself and ended: a program's race, which natively gives an error and never a wait.
#include "check.h"
#include <semaphore.h>

static sem_t gone;

static void *detaches_itself(void *arg)
{
    CHECK_EQ(pthread_detach(pthread_self()), 0);
    sem_post(&gone);
    return arg;
}

int main(void)
{
    int errors = 0;
    CHECK_EQ(sem_init(&gone, 0, 0), 0);
    for (int i = 0; i < 50; i++) {
        pthread_t t = start(detaches_itself, NULL);
        sem_wait(&gone);
        for (int k = 0; k < 20; k++)
            sched_yield();
        errors += pthread_join(t, NULL) != 0;
    }
    printf("errors: %d\n", errors);
    return 0;
}
