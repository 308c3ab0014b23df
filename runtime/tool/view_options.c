/* Options of vthr ps, stacks, stat, top and core. */
#include "runtime/tool/tool.h"
#include "runtime/tool/view.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 256, STATE, WAIT, OLDER, JSON, STOP, PROMETHEUS, TREE, SORT };

/* Options of one command only. */
static const struct { int letter; const char *option, *command; } only[] = {
    { 'o', "-o", "core" }, { PROMETHEUS, "--prometheus", "stat" }, { TREE, "--tree", "ps" },
    { SORT, "--sort", "top" }, { 'n', "-n", "top" }, { 'd', "-d", "top" },
};

static const struct option long_options[] = {
    { "name", required_argument, NULL, NAME },   { "state", required_argument, NULL, STATE },
    { "wait", required_argument, NULL, WAIT },   { "older", required_argument, NULL, OLDER },
    { "json", no_argument, NULL, JSON },         { "stop", no_argument, NULL, STOP },
    { "help", no_argument, NULL, 'h' },          { "output", required_argument, NULL, 'o' },
    { "tree", no_argument, NULL, TREE },         { "prometheus", no_argument, NULL, PROMETHEUS },
    { "sort", required_argument, NULL, SORT },   { "delay", required_argument, NULL, 'd' },
    { "times", required_argument, NULL, 'n' },   { 0 },
};

static int bad(const char *command, const char *what, const char *why)
{
    vthr_tool_say(stderr, "%s: %s: %s", command, what, why);
    return VTHR_EXIT_ERROR;
}

static int set_regex(const char *command, const char *text, regex_t *to, bool *set)
{
    char why[128];
    int r;

    if (*set)
        regfree(to);
    *set = false;
    r = regcomp(to, text, REG_EXTENDED | REG_NOSUB);
    if (r) {
        regerror(r, to, why, sizeof why);
        return bad(command, text, why);
    }
    *set = true;
    return 0;
}

static int set_states(struct view *w, const char *command, const char *text)
{
    while (*text) {
        size_t n = strcspn(text, ",");
        int i = 0;

        while (i < VT_STATES && (strlen(vt_state_names[i]) != n || strncmp(text, vt_state_names[i], n) != 0))
            i++;
        if (i == VT_STATES)
            return bad(command, text, "unknown state: parked, ready, running or blocked");
        w->states |= 1u << i;
        text += n;
        text += *text == ',';
    }
    return 0;
}

static int set_older(struct view *w, const char *command, const char *text)
{
    char *end;
    double s = strtod(text, &end);

    if (end == text || *end || !(s >= 0 && s < 1e9))
        return bad(command, text, "not a number of seconds");
    w->older = (uint64_t)(s * 1e9);
    return 0;
}

static int set_delay(struct view *w, const char *command, const char *text)
{
    char *end;

    w->delay = strtod(text, &end);
    return end == text || *end || !(w->delay >= 0.05 && w->delay <= 3600) ? bad(command, text, "not a number of seconds, 0.05 to 3600") : 0;
}

static int set_times(struct view *w, const char *command, const char *text)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    w->times = (unsigned)n;
    return *text < '1' || *text > '9' || *end || n > 1000000000 ? bad(command, text, "not how often, 1 to 1000000000") : 0;
}

static int set_sort(struct view *w, const char *command, const char *text)
{
    w->sort = text;
    return top_key(text) < 0 ? bad(command, text, "unknown key: " TOP_KEYS) : 0;
}

static int is_of(const char *command, int letter)
{
    for (size_t i = 0; i < sizeof only / sizeof only[0]; i++)
        if (only[i].letter == letter && strcmp(command, only[i].command) != 0) {
            vthr_tool_say(stderr, "%s: %s: only %s has this", command, only[i].option, only[i].command);
            return VTHR_EXIT_ERROR;
        }
    return 0;
}

static int option(struct view *w, int letter, char **argv)
{
    switch (letter) {
    case NAME:
        return set_regex(argv[0], optarg, &w->name, &w->by_name);
    case WAIT:
        return set_regex(argv[0], optarg, &w->wait, &w->by_wait);
    case STATE:
        return set_states(w, argv[0], optarg);
    case OLDER:
        return set_older(w, argv[0], optarg);
    case 'o':
        w->output = optarg;
        return 0;
    case 'd':
        return set_delay(w, argv[0], optarg);
    case 'n':
        return set_times(w, argv[0], optarg);
    case SORT:
        return set_sort(w, argv[0], optarg);
    case JSON:
        w->json = true;
        return 0;
    case STOP:
        w->stop = true;
        return 0;
    case PROMETHEUS:
        w->prometheus = true;
        return 0;
    case TREE:
        w->tree = true;
        return 0;
    case 'h':
        vthr_tool_help(stdout);
        exit(fflush(stdout) == 0 ? 0 : VTHR_EXIT_ERROR);
    case ':':
        return bad(argv[0], argv[optind - 1], "needs an argument");
    default:
        return bad(argv[0], argv[optind - 1], "unknown option: vthr --help lists all options");
    }
}

static int judge(const struct view *w, const char *command, int arguments)
{
    if (strcmp(command, "core") == 0 && !w->output) {
        vthr_tool_say(stderr, "core: no output file: vthr core PID|COREFILE -o FILE");
        return VTHR_EXIT_ERROR;
    }
    if (w->json && (w->prometheus || strcmp(command, "top") == 0))
        return bad(command, "--json", w->prometheus ? "and --prometheus exclude each other" : "ps and stat have this");
    if (arguments == 1)
        return 0;
    vthr_tool_say(stderr, "%s: %s: vthr %s [options] PID|COREFILE (to run a command of that name: vthr -- %s)", command,
                  arguments ? "more than one process" : "no process", command, command);
    return VTHR_EXIT_ERROR;
}

int view_options(struct view *w, int argc, char **argv, const char **which)
{
    int letter, r = 0;

    optind = 1;
    while (!r && (letter = getopt_long(argc, argv, ":ho:d:n:", long_options, NULL)) != -1) {
        r = is_of(argv[0], letter);
        if (!r)
            r = option(w, letter, argv);
    }
    if (!r)
        r = judge(w, argv[0], argc - optind);
    *which = argv[optind];
    return r;
}
