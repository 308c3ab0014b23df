/* vthr ps, stacks, stat, top, core: the options, and what each prints. */
#ifndef VTHR_TOOL_VIEW_H
#define VTHR_TOOL_VIEW_H

#include <regex.h>
#include <stdio.h>

#include "runtime/tool/snapshot.h"

struct view {
    struct target target;
    struct stopped stopped;
    struct snapshot snapshot;
    bool json, stop, prometheus, tree;
    unsigned states;       /* bits 1 << enum vt_state; 0: all */
    bool by_name, by_wait; /* the two below are set */
    regex_t name, wait;
    uint64_t older;        /* ns */
    const char *output;    /* core */
    const char *sort;      /* top: the key's name */
    double delay;          /* top: seconds between two looks */
    unsigned times;        /* top: looks; 0: until it is told to end */
};

/* Is argv[1] the name of such a command? */
bool view_is_command(const char *name);
int view_main(int argc, char **argv);
/* view_options.c.  argv[0] is the command; *which becomes what it is to look at.  0 or an exit status after having said why. */
int view_options(struct view *w, int argc, char **argv, const char **which);

bool view_chosen(struct view *w, const struct vt *v);
/* Columns of ps and top. */
void view_start(struct target *t, const struct vt *v, char *to, size_t size);
void view_state(const struct vt *v, char *to, size_t size);
void view_printable(char *s);
void view_age(char to[16], uint64_t since, uint64_t now);
/* A JSON string of at most n bytes. */
void view_json(FILE *to, const char *text, size_t n);

int view_ps(struct view *w, FILE *to);     /* 0 or an exit status */
int view_stacks(struct view *w, FILE *to); /* 0 or an exit status */
void view_stat(struct view *w, FILE *to);
#define TOP_KEYS "activity, age, id, name, state, wait"
int top_key(const char *name); /* -1: there is none of that name */
int view_top(struct view *w); /* 0 or an exit status; looks at the process itself */
/* core.c: 0 or an exit status after having said why. */
int core_write(struct target *t, const struct stopped *stopped, const struct snapshot *s, const char *path);

#endif
