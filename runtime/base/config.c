/* Parsing of the VTHR_* settings.
 *
 * One pass over envp. Each VTHR_ name is looked up in the table and its value
 * stored through the row's offset; the first failure is described in err and
 * the pass goes on, so that the settings which decide how a failure is handled
 * (VTHR_DISABLE, VTHR_STRICT) are seen wherever they stand.
 *
 * An unknown VTHR_ name is a failure too: a misspelt setting that is silently
 * ignored looks like a setting that does not work. */
#include "runtime/base/config.h"
#include "runtime/base/sys.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>

#define PREFIX "VTHR_"
#define PREFIX_LEN (sizeof PREFIX - 1)

#define MAX_CARRIERS 256
#define FIELD(f) offsetof(struct vthr_config, f)

const struct vthr_setting vthr_settings[] = {
    {"VTHR_DISABLE", VTHR_SETTING_BOOL, 0, 1, "off",
     "run the program natively, as if nothing was preloaded", FIELD(disable)},
    {"VTHR_STRICT", VTHR_SETTING_BOOL, 0, 1, "off",
     "end with status 125 instead of running natively when something is wrong", FIELD(strict)},
    {"VTHR_CARRIERS", VTHR_SETTING_UINT, 1, MAX_CARRIERS, "CPUs of the affinity mask",
     "OS threads that run virtual threads", FIELD(carriers)},
    {"VTHR_STATS", VTHR_SETTING_BOOL, 0, 1, "off",
     "print a summary of counters on standard error at exit", FIELD(stats)},
    {"VTHR_CACHE", VTHR_SETTING_UINT, 0, 1000000, "1024",
     "stacks of finished threads that are kept warm", FIELD(cache)},
    {"VTHR_SPARES", VTHR_SETTING_UINT, 0, 1024, "8",
     "idle spare OS threads that are kept", FIELD(spares)},
    {"VTHR_DUMP_SIGNAL", VTHR_SETTING_SIGNAL, 0, 0, "none",
     "signal that makes the program print the stacks of all its threads, and go on", FIELD(dump_signal)},
    {"VTHR_DUMP_FILE", VTHR_SETTING_PATH, 0, 0, "standard error",
     "where they are printed, behind what is there", FIELD(dump_file)},
    {"VTHR_DEADLOCK", VTHR_SETTING_BOOL, 0, 1, "off",
     "report on standard error, once, threads that wait for each other's locks", FIELD(deadlock)},
    {"VTHR_MAX_THREADS", VTHR_SETTING_LIMIT, 0, 10000000, "0, no limit",
     "threads at a time; pthread_create fails with EAGAIN beyond, or waits", FIELD(max_threads)},
    {"VTHR_EXCLUDE", VTHR_SETTING_LIST, 0, 0, "none",
     "threads that keep an OS thread of their own, by library or start routine", FIELD(exclude)},
    {"VTHR_INCLUDE", VTHR_SETTING_LIST, 0, 0, "all",
     "only these threads share OS threads", FIELD(include)},
    {"VTHR_TRACE", VTHR_SETTING_PATH, 0, 0, "none",
     "write which thread ran when and where to a file for Perfetto or chrome://tracing", FIELD(trace)},
    {"VTHR_FAST_SWITCH", VTHR_SETTING_BOOL, 0, 1, "on",
     "where the kernel lacks FSGSBASE but the CPU has it: use it, and mend by SIGSEGV", FIELD(fast_switch)},
    {"VTHR_SCHED", VTHR_SETTING_SCHED, 0, 0, "fifo",
     "debugging: order in which ready threads run", FIELD(random)},
    {"VTHR_MIGRATE", VTHR_SETTING_BOOL, 0, 1, "off",
     "debugging: move a thread to another carrier at every wake", FIELD(migrate)},
    {"VTHR_QUARANTINE", VTHR_SETTING_UINT, 0, 1000000, "0",
     "debugging: freed objects of the native API that are kept, so that using one is found", FIELD(quarantine)},
};
const size_t vthr_settings_count = sizeof vthr_settings / sizeof vthr_settings[0];

/* Longer names than this are unknown and too far from any known one. */
#define MAX_NAME 32
#define MAX_DISTANCE 2

/* --- Messages: text that always ends in a NUL and never overflows. */

struct text {
    char *at;
    size_t left; /* including the NUL */
};

static void put(struct text *t, const char *s, size_t n)
{
    for (; n > 0 && t->left > 1; s++, n--, t->left--)
        *t->at++ = *s;
    if (t->left > 0)
        *t->at = '\0';
}

static void put_string(struct text *t, const char *s)
{
    put(t, s, strlen(s));
}

static void put_unsigned(struct text *t, unsigned v)
{
    char digits[3 * sizeof v];
    size_t i = sizeof digits;
    do {
        digits[--i] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    put(t, digits + i, sizeof digits - i);
}

/* Text from outside: shortened, and kept on one line. */
static void put_foreign(struct text *t, const char *s, size_t n)
{
    const size_t max = 40;
    for (size_t i = 0; i < n && i < max; i++)
        put(t, s[i] >= ' ' && s[i] <= '~' ? &s[i] : "?", 1);
    if (n > max)
        put_string(t, "...");
}

static void describe_range(struct text *t, const struct vthr_setting *s)
{
    switch (s->kind) {
    case VTHR_SETTING_BOOL:
        put_string(t, "must be 1, yes, on, 0, no or off");
        break;
    case VTHR_SETTING_UINT:
        put_string(t, "must be ");
        put_unsigned(t, s->min);
        put_string(t, " to ");
        put_unsigned(t, s->max);
        break;
    case VTHR_SETTING_SCHED:
        put_string(t, "must be fifo, random or random:SEED");
        break;
    case VTHR_SETTING_SIGNAL:
        put_string(t, "must be a signal, e.g. QUIT or 3, that can be caught and is not raised by faults");
        break;
    case VTHR_SETTING_PATH:
        put_string(t, "must be shorter than ");
        put_unsigned(t, VTHR_PATH_MAX);
        put_string(t, " bytes");
        break;
    case VTHR_SETTING_LIMIT:
        put_string(t, "must be ");
        put_unsigned(t, s->min);
        put_string(t, " to ");
        put_unsigned(t, s->max);
        put_string(t, ", with :wait or :eagain after it or not");
        break;
    case VTHR_SETTING_LIST:
        put_string(t, "must be OBJECT, OBJECT!ROUTINE or !ROUTINE, more of them after commas");
        break;
    }
}

static int bad_value(struct text *t, const struct vthr_setting *s, const char *value)
{
    put_string(t, s->name);
    put_string(t, "=");
    put_foreign(t, value, strlen(value));
    put_string(t, ": ");
    describe_range(t, s);
    return -EINVAL;
}

/* --- Names */

static const struct vthr_setting *find(const char *name, size_t len)
{
    for (size_t i = 0; i < vthr_settings_count; i++)
        if (strlen(vthr_settings[i].name) == len && memcmp(vthr_settings[i].name, name, len) == 0)
            return &vthr_settings[i];
    return NULL;
}

/* Levenshtein's distance, one row of the matrix at a time. */
static unsigned distance(const char *a, size_t alen, const char *b, size_t blen)
{
    unsigned row[MAX_NAME + 1];
    for (unsigned j = 0; j <= blen; j++)
        row[j] = j;
    for (size_t i = 1; i <= alen; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= blen; j++) {
            unsigned best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[blen];
}

static const struct vthr_setting *nearest(const char *name, size_t len)
{
    const struct vthr_setting *found = NULL;
    unsigned best = MAX_DISTANCE + 1;
    if (len > MAX_NAME)
        return NULL;
    for (size_t i = 0; i < vthr_settings_count; i++) {
        const struct vthr_setting *s = &vthr_settings[i];
        unsigned d = distance(s->name, strlen(s->name), name, len);
        if (d < best) {
            best = d;
            found = s;
        }
    }
    return found;
}

static int unknown_name(struct text *t, const char *name, size_t len)
{
    const struct vthr_setting *near = nearest(name, len);
    put_foreign(t, name, len);
    put_string(t, ": unknown setting, ");
    if (near) {
        put_string(t, "did you mean ");
        put_string(t, near->name);
        put_string(t, "?");
    } else {
        put_string(t, "vthr --help lists all");
    }
    return -EINVAL;
}

/* --- Values: each returns false for a bad one and leaves *out alone then. */

static bool parse_bool(const char *value, bool *out)
{
    static const char *const words[] = {"0", "1", "no", "yes", "off", "on"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(value, words[i]) == 0) {
            *out = i % 2;
            return true;
        }
    return false;
}

/* strtoul would take blanks, signs, and depends on the locale. */
static bool parse_u64(const char *value, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;
    if (*value == '\0')
        return false;
    for (; *value; value++) {
        unsigned digit = (unsigned)(*value - '0');
        if (digit > 9 || digit > max || v > (max - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *out = v;
    return true;
}

static bool parse_uint(const struct vthr_setting *s, const char *value, unsigned *out)
{
    uint64_t v;
    if (!parse_u64(value, s->max, &v) || v < s->min)
        return false;
    *out = (unsigned)v;
    return true;
}

/* Those that come from outside. Others can be given as numbers. */
static const struct {
    char name[8];
    uint8_t number;
} signals[] = {
    {"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2},   {"ALRM", SIGALRM},
    {"TERM", SIGTERM}, {"CONT", SIGCONT}, {"TSTP", SIGTSTP}, {"URG", SIGURG},   {"WINCH", SIGWINCH}, {"PWR", SIGPWR},
};

static bool signal_by_name(const char *name, unsigned *out)
{
    if (strncmp(name, "SIG", 3) == 0)
        name += 3;
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        if (strcmp(signals[i].name, name) == 0) {
            *out = signals[i].number;
            return true;
        }
    return false;
}

/* Not those that faults raise, the two that nothing catches, nor libc's own 32 and 33. */
static bool parse_signal(const char *value, unsigned *out)
{
    const uint64_t refused = 1ull << SIGSEGV | 1ull << SIGBUS | 1ull << SIGFPE | 1ull << SIGILL | 1ull << SIGTRAP |
                             1ull << SIGSYS | 1ull << SIGABRT | 1ull << SIGKILL | 1ull << SIGSTOP | 3ull << 32;
    uint64_t v;
    if (signal_by_name(value, out))
        return true;
    if (!parse_u64(value, 64, &v) || v == 0 || (v < 64 && (refused >> v & 1)))
        return false;
    *out = (unsigned)v;
    return true;
}

static bool parse_path(const char *value, char *out)
{
    size_t n = strlen(value);
    if (n >= VTHR_PATH_MAX)
        return false;
    memcpy(out, value, n + 1);
    return true;
}

/* The kernel's random bytes for this exec: no system call, and there before
 * any constructor. They also seed the stack protector's canary, hence a hash
 * of which half is thrown away; 32 bits are easy to copy from a terminal. */
static uint64_t pick_seed(void)
{
    const void *bytes = (const void *)getauxval(AT_RANDOM);
    uint64_t x[2] = {0, 0};
    if (bytes)
        memcpy(x, bytes, sizeof x);
    x[0] = (x[0] ^ (x[0] >> 31)) * 0x9e3779b97f4a7c15u;
    x[0] = (x[0] ^ x[1] ^ (x[0] >> 29)) * 0xbf58476d1ce4e5b9u;
    return x[0] >> 32;
}

static bool parse_sched(const char *value, struct vthr_config *out)
{
    static const char random_seed[] = "random:";
    if (strcmp(value, "fifo") == 0) {
        out->random = false;
        return true;
    }
    if (strcmp(value, "random") == 0) {
        out->seed = pick_seed();
        out->seed_picked = true;
    } else if (strncmp(value, random_seed, sizeof random_seed - 1) != 0 ||
               !parse_u64(value + sizeof random_seed - 1, UINT64_MAX, &out->seed)) {
        return false;
    }
    out->random = true;
    return true;
}

static bool parse_limit(const struct vthr_setting *s, const char *value, struct vthr_config *out)
{
    const char *colon = strchr(value, ':');
    char number[16];
    size_t n = colon ? (size_t)(colon - value) : strlen(value);
    bool wait = colon && strcmp(colon, ":wait") == 0;
    if (n >= sizeof number || (colon && !wait && strcmp(colon, ":eagain") != 0))
        return false;
    memcpy(number, value, n);
    number[n] = '\0';
    if (!parse_uint(s, number, &out->max_threads))
        return false;
    out->max_wait = wait;
    return true;
}

/* Copied: a program may write over its environment. */
static bool parse_list(const char *value, char *out)
{
    size_t len = strlen(value), item = 0, marks = 0;
    if (len >= VTHR_LIST_MAX)
        return false;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && value[i] != ',') {
            item++;
            marks += value[i] == '!';
            continue;
        }
        /* Not empty, one mark at the most, and something after it. */
        if (item == 0 || marks > 1 || value[i - 1] == '!')
            return false;
        item = marks = 0;
    }
    memcpy(out, value, len + 1);
    return true;
}

/* --- The configuration */

static bool store(const struct vthr_setting *s, const char *value, struct vthr_config *out)
{
    void *field = (char *)out + s->offset;
    switch (s->kind) {
    case VTHR_SETTING_BOOL:
        return parse_bool(value, field);
    case VTHR_SETTING_UINT:
        return parse_uint(s, value, field);
    case VTHR_SETTING_SCHED:
        return parse_sched(value, out);
    case VTHR_SETTING_SIGNAL:
        return parse_signal(value, field);
    case VTHR_SETTING_PATH:
        return parse_path(value, field);
    case VTHR_SETTING_LIMIT:
        return parse_limit(s, value, out);
    case VTHR_SETTING_LIST:
        return parse_list(value, field);
    }
    return false;
}

int vthr_config_set(const char *name, size_t namelen, const char *value, struct vthr_config *out,
                    char *err, size_t errlen)
{
    struct text t = {err, errlen};
    const struct vthr_setting *s = find(name, namelen);
    if (!s)
        return unknown_name(&t, name, namelen);
    if (*value != '\0' && !store(s, value, out))
        return bad_value(&t, s, value);
    return 0;
}

unsigned vthr_config_cpus(void)
{
    /* Room for 8192 CPUs, the kernel's own limit: a smaller mask is refused. */
    unsigned long mask[8192 / (8 * sizeof(unsigned long))] = {0};
    unsigned n = 0;
    if (SYS3(SYS_sched_getaffinity, 0, sizeof mask, mask) < 0)
        return 1;
    for (size_t i = 0; i < sizeof mask / sizeof mask[0]; i++)
        n += (unsigned)__builtin_popcountl(mask[i]);
    if (n < 1)
        return 1;
    return n < MAX_CARRIERS ? n : MAX_CARRIERS;
}

int vthr_config_parse(char *const *envp, struct vthr_config *out, char *err, size_t errlen)
{
    int result = 0;
    *out = (struct vthr_config)VTHR_CONFIG_DEFAULTS;
    if (errlen > 0)
        *err = '\0';
    for (; *envp; envp++) {
        const char *equals;
        if (strncmp(*envp, PREFIX, PREFIX_LEN) != 0 || !(equals = strchr(*envp, '=')))
            continue;
        /* Only the first failure is described. */
        int r = vthr_config_set(*envp, (size_t)(equals - *envp), equals + 1, out, err,
                                result == 0 ? errlen : 0);
        if (result == 0)
            result = r;
    }
    if (out->carriers == 0)
        out->carriers = vthr_config_cpus();
    return out->disable ? 0 : result;
}
