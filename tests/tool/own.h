/* What the test of VTHR_EXCLUDE and its like shares between the program and its library. */
#pragma once
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's number of the OS thread, by an instruction of our own, is the thread's if it keeps one. */
static inline void tell(const char *who)
{
    long kernel;

    __asm__ volatile("syscall" : "=a"(kernel) : "a"(SYS_gettid) : "rcx", "r11", "memory");
    printf("%s=%s\n", who, gettid() == kernel ? "own" : "shared");
}

void lib_starts_its_own(pthread_t *);
void lib_starts(pthread_t *, void *(*)(void *));
