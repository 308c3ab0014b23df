/* vthr ps, stacks, stat, core: the options, and what each prints. */
#ifndef VTHR_TOOL_VIEW_H
#define VTHR_TOOL_VIEW_H

#include <regex.h>
#include <stdio.h>

#include "runtime/tool/snapshot.h"

struct view {
    struct target target;
    struct stopped stopped;
    struct snapshot snapshot;
    bool json, stop;
    unsigned states;       /* bits 1 << enum vt_state; 0: all */
    bool by_name, by_wait; /* the two below are set */
    regex_t name, wait;
    uint64_t older;        /* ns */
    const char *output;    /* core */
};

/* Is argv[1] the name of such a command? */
bool view_is_command(const char *name);
int view_main(int argc, char **argv);

bool view_chosen(struct view *w, const struct vt *v);
void view_age(char to[16], uint64_t since, uint64_t now);
/* A JSON string of at most n bytes. */
void view_json(FILE *to, const char *text, size_t n);

void view_ps(struct view *w, FILE *to);
int view_stacks(struct view *w, FILE *to); /* 0 or an exit status */
void view_stat(struct view *w, FILE *to);
/* core.c: 0 or an exit status after having said why. */
int core_write(struct target *t, const struct stopped *stopped, const struct snapshot *s, const char *path);

#endif
