/* The VTHR_* settings: one table, which the library and the vthr command share.
 *
 * The parser runs in a library constructor, before main and before the
 * program's own constructors: it allocates nothing, uses no stdio, no locale,
 * no getenv, and writes only to what it is handed. It reads the environment
 * once; later changes by the program have no effect.
 *
 * How to add a setting: a field in struct vthr_config, a row in the table of
 * config.c, a paragraph in docs/vthr.1 (a test compares the two). */
#ifndef VTHR_BASE_CONFIG_H
#define VTHR_BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Longest file name in a setting, with its NUL. */
#define VTHR_PATH_MAX 512
#define VTHR_LIST_MAX 1024 /* bytes of a list, with the NUL */

struct vthr_config {
    bool disable;      /* run natively */
    bool strict;       /* a bad setting or an unsupported system: exit 125 */
    bool migrate;      /* debug: every wake changes the carrier */
    bool fast_switch;  /* see arch/x86_64/tp.c */
    bool stats;        /* print counters at exit */
    bool random;       /* debug: pick vthreads in random order, from seed */
    bool seed_picked;  /* no seed was given: the caller should print it */
    uint64_t seed;
    unsigned carriers; /* default: CPUs of the affinity mask */
    unsigned cache;    /* finished stacks kept warm */
    unsigned spares;   /* idle spare OS threads kept */
    unsigned dump_signal;            /* prints all stacks; 0: none */
    char dump_file[VTHR_PATH_MAX];   /* where to; empty: standard error */
    bool deadlock;     /* threads that wait for each other for ever are reported */
    unsigned quarantine; /* debug: freed objects of the native API that are kept */
    unsigned max_threads; /* 0: no limit */
    bool max_wait;     /* at the limit a thread's creator waits, instead of EAGAIN */
    char include[VTHR_LIST_MAX], exclude[VTHR_LIST_MAX]; /* patterns: thread/choose.c */
    char trace[VTHR_PATH_MAX];       /* file for the event trace; empty: none */
};

enum vthr_setting_kind {
    VTHR_SETTING_BOOL,  /* 1 yes on | 0 no off */
    VTHR_SETTING_UINT,  /* min to max */
    VTHR_SETTING_SCHED, /* fifo | random | random:SEED */
    VTHR_SETTING_SIGNAL, /* a signal that may be caught and blocked, by name or number */
    VTHR_SETTING_PATH,   /* a file's name */
    VTHR_SETTING_LIMIT, /* N | N:wait | N:eagain */
    VTHR_SETTING_LIST,  /* OBJECT | OBJECT!ROUTINE | !ROUTINE, separated by commas */
};

struct vthr_setting {
    const char *name; /* with its VTHR_ prefix */
    enum vthr_setting_kind kind;
    unsigned min, max;         /* VTHR_SETTING_UINT, VTHR_SETTING_LIMIT */
    const char *default_value; /* in words */
    const char *help;          /* one line */
    size_t offset;             /* of its field in struct vthr_config */
};

extern const struct vthr_setting vthr_settings[];
extern const size_t vthr_settings_count;

/* Exit status of a program that is refused under VTHR_STRICT, and of the vthr
 * command for its own errors. */
#define VTHR_EXIT_REFUSED 125

#define VTHR_CONFIG_DEFAULTS { .fast_switch = true, .cache = 1024, .spares = 8 }

/* CPUs of the calling thread's affinity mask, within what VTHR_CARRIERS allows. */
unsigned vthr_config_cpus(void);

/* Fills out from the defaults and the VTHR_* variables of envp. Returns 0, or
 * -EINVAL with a one-line message without newline in err, for the first bad
 * setting. Every good setting takes effect even then, so that strict can be
 * trusted by whoever handles the error. With disable, bad settings elsewhere
 * do not matter and 0 is returned. */
int vthr_config_parse(char *const *envp, struct vthr_config *out, char *err, size_t errlen);

/* Checks one setting as vthr_config_parse would and stores it in out. name has
 * its prefix and need not be terminated: it is namelen bytes long. An empty
 * value leaves out as it is. */
int vthr_config_set(const char *name, size_t namelen, const char *value, struct vthr_config *out,
                    char *err, size_t errlen);

#ifdef __cplusplus
}
#endif

#endif
