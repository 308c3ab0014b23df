/* What is remembered of a descriptor's modes: O_NONBLOCK, SO_RCVTIMEO and SO_SNDTIMEO, SO_RCVLOWAT.
 *
 * They belong to the description, which other numbers and other processes may share.  Each change by a call of this process is seen, and all
 * numbers forget.  Changes by other processes are not, so memory counts only for a description that is ours alone: made here, while
 * the runtime was active, by a call that makes a new one, and neither sent away (SCM_RIGHTS) nor inherited since by a child.  Of any other
 * one the kernel is asked each time.
 *
 *   sharing word: {how often it happened:48, how many are at it:16}
 *   maker:        stamp = fd_sharing(); make the descriptor; fd_born(fd, stamp)
 *   sharer:       fd_sharing_begin(); fork, spawn or send; fd_sharing_end(it happened)
 *
 * A stamp that equals the word, with nobody at it, says: ours alone.  What another process takes without our doing (pidfd_getfd(2)) escapes. */
#pragma once
#include "runtime/io/fdtab.h"

VTHR_BEGIN_DECLS
uint64_t fd_sharing(void);
void fd_sharing_begin(void);
void fd_sharing_end(bool happened);
/* A number with a new description behind it, and all modes as they are by default.  stamp: fd_sharing() before it was made. */
void fd_born(int fd, uint64_t stamp);
/* The same for one that accept made; what a socket has from its listener is not known. */
void fd_accepted(struct fdesc *d, const struct fdesc *listener, uint64_t stamp, bool blocking);
/* Lock held, or nobody uses the number yet. */
void fd_forget_modes(struct fdesc *d);

/* Set by a call of ours. */
void fd_mode_set(int fd, bool blocking);
void fd_timeouts_changed(void);
void fd_low_water_changed(void);

/* The modes as they are now.  The first asks the kernel in any case. */
bool fd_is_blocking(struct fdesc *d);
bool fd_blocks(struct fdesc *d);
uint64_t fd_timeout(struct fdesc *d, enum fd_dir dir);
/* A stream socket that is to wait for more than a byte. */
bool fd_has_low_water(struct fdesc *d);

/* The descriptor is believed to be in non-blocking mode: a call that may wait is made as it is, announced, and asks the kernel for
 * nothing.  If the belief is wrong (another process cleared the flag) the call waits on its OS thread, as natively. */
bool fd_no_wait(const struct fdesc *d);
/* It was wrong. */
void fd_not_no_wait(struct fdesc *d);
void fd_modes_reset_child(void);
VTHR_END_DECLS
