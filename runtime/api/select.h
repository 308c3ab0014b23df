/* The descriptors of a select. */
#pragma once
#include "runtime/api/vthr.h"
#include "runtime/api/waitq.h"
#include "runtime/io/fdtab.h"

struct select_fd { /* one for each case, used by those of descriptors */
    struct fd_node node;
    bool ready;
    int result; /* 0, EBADF */
};

VTHR_BEGIN_DECLS
/* Asks the kernel which are ready. */
void select_fd_look(struct select_fd *f, const vthr_case *cases, size_t n);
/* In the runtime, vthreads only: an event, or a close since the last look, ends the episode. */
void select_fd_link(struct select_fd *f, const vthr_case *cases, size_t n, struct waiter *w, uint64_t ticket);
void select_fd_unlink(struct select_fd *f, const vthr_case *cases, size_t n);
/* When a thread that nobody tells of events looks again. */
uint64_t select_fd_turn(uint64_t end);
VTHR_END_DECLS
