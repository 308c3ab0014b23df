/* A library that starts threads. */
#include "own.h"

static void *in_library(void *arg)
{
    tell("library");
    return arg;
}

void lib_starts_its_own(pthread_t *t)
{
    pthread_create(t, NULL, in_library, NULL);
}

void lib_starts(pthread_t *t, void *(*fn)(void *))
{
    pthread_create(t, NULL, fn, NULL);
}
