/* vthr ps|stacks|stat [options] PID|COREFILE, vthr core PID|COREFILE -o FILE: look at the vthreads of a process, which does not notice,
 * or, with --stop, stands still for as long as it takes, or at those of a core file.  A command that is called by one of these names
 * is run by "vthr -- ps". */
#include "runtime/tool/view.h"
#include "runtime/tool/tool.h"
#include "runtime/tool/unwind.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const struct option long_options[] = {
    { "name", required_argument, NULL, 'n' },  { "state", required_argument, NULL, 's' }, { "wait", required_argument, NULL, 'w' },
    { "older", required_argument, NULL, 'a' }, { "json", no_argument, NULL, 'j' },        { "stop", no_argument, NULL, 'S' },
    { "help", no_argument, NULL, 'h' },        { "output", required_argument, NULL, 'O' }, { 0 },
};

bool view_is_command(const char *name)
{
    return strcmp(name, "ps") == 0 || strcmp(name, "stacks") == 0 || strcmp(name, "stat") == 0 ||
           strcmp(name, "core") == 0;
}

bool view_chosen(struct view *w, const struct vt *v)
{
    char text[256];

    if (w->states && !(w->states & 1u << v->state))
        return false;
    if (w->by_name && regexec(&w->name, v->name, 0, NULL, 0) != 0)
        return false;
    if (w->older && (!v->wait_kind || w->snapshot.now - v->since < w->older || v->since > w->snapshot.now))
        return false;
    if (!w->by_wait)
        return true;
    wait_text(&w->target, v, text, sizeof text);
    return *text && regexec(&w->wait, text, 0, NULL, 0) == 0;
}

void view_age(char to[16], uint64_t since, uint64_t now)
{
    double s = now > since ? (double)(now - since) / 1e9 : 0;

    if (s < 10)
        snprintf(to, 16, "%.2fs", s);
    else if (s < 120)
        snprintf(to, 16, "%.0fs", s);
    else if (s < 7200)
        snprintf(to, 16, "%.0fm", s / 60);
    else if (s < 172800)
        snprintf(to, 16, "%.0fh", s / 3600);
    else
        snprintf(to, 16, "%.0fd", s / 86400);
}

/* Names may hold any bytes: those that are no characters become U+FFFD, as JSON must be UTF-8. */
static size_t utf8_length(const unsigned char *s, size_t left)
{
    size_t n = *s < 0x80 ? 1 : *s >= 0xc2 && *s < 0xe0 ? 2 : *s >= 0xe0 && *s < 0xf0 ? 3 : *s >= 0xf0 && *s < 0xf5 ? 4 : 0;

    if (n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) || (*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

void view_json(FILE *to, const char *text, size_t n)
{
    const unsigned char *s = (const unsigned char *)text;

    putc('"', to);
    for (size_t i = 0, k; i < n && s[i]; i += k ? k : 1) {
        k = utf8_length(s + i, n - i);
        if (!k)
            fputs("\\ufffd", to);
        else if (s[i] == '"' || s[i] == '\\')
            fprintf(to, "\\%c", s[i]);
        else if (s[i] < 0x20)
            fprintf(to, "\\u%04x", s[i]);
        else
            fwrite(s + i, 1, k, to);
    }
    putc('"', to);
}

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

static int options(struct view *w, int argc, char **argv)
{
    int letter, r = 0;

    optind = 1;
    while (!r && (letter = getopt_long(argc, argv, ":ho:", long_options, NULL)) != -1)
        switch (letter) {
        case 'n':
            r = set_regex(argv[0], optarg, &w->name, &w->by_name);
            break;
        case 'w':
            r = set_regex(argv[0], optarg, &w->wait, &w->by_wait);
            break;
        case 's':
            r = set_states(w, argv[0], optarg);
            break;
        case 'o': /* -o FILE */
        case 'O':
            w->output = optarg;
            break;
        case 'a':
            r = set_older(w, argv[0], optarg);
            break;
        case 'j':
            w->json = true;
            break;
        case 'S':
            w->stop = true;
            break;
        case 'h':
            vthr_tool_help(stdout);
            exit(fflush(stdout) == 0 ? 0 : VTHR_EXIT_ERROR);
        case ':':
            return bad(argv[0], argv[optind - 1], "needs an argument");
        default:
            return bad(argv[0], argv[optind - 1], "unknown option: vthr --help lists all options");
        }
    if (!r && strcmp(argv[0], "core") == 0 && !w->output) {
        vthr_tool_say(stderr, "core: no output file: vthr core PID|COREFILE -o FILE");
        return VTHR_EXIT_ERROR;
    }
    if (!r && strcmp(argv[0], "core") != 0 && w->output)
        return bad(argv[0], "-o", "only core writes a file");
    if (!r && optind + 1 != argc) {
        vthr_tool_say(stderr, "%s: %s: vthr %s [options] PID|COREFILE (to run a command of that name: vthr -- %s)", argv[0],
                      optind == argc ? "no process" : "more than one process", argv[0], argv[0]);
        r = VTHR_EXIT_ERROR;
    }
    return r;
}

static int take(struct view *w, bool stacks, bool core)
{
    int r = stacks ? unwind_open(&w->target) : 0;
    bool stop = w->stop || core || w->target.core;

    if (!r && stop)
        r = stop_all(&w->target, &w->stopped);
    if (!r)
        r = snapshot_take(&w->target, stop ? &w->stopped : NULL, stacks, &w->snapshot);
    if (!r && core)
        r = core_write(&w->target, &w->stopped, &w->snapshot, w->output);
    stop_end(&w->stopped);
    return r;
}

int view_main(int argc, char **argv)
{
    struct view w = { .json = false };
    bool stacks = strcmp(argv[0], "stacks") == 0, core = strcmp(argv[0], "core") == 0;
    int r = options(&w, argc, argv);

    if (!r)
        r = target_open(&w.target, argv[optind]);
    if (!r)
        r = take(&w, stacks, core);
    if (!r && stacks)
        r = view_stacks(&w, stdout);
    else if (!r && strcmp(argv[0], "ps") == 0)
        view_ps(&w, stdout);
    else if (!r && !core)
        view_stat(&w, stdout);
    if (!r && (fflush(stdout) != 0 || ferror(stdout)))
        r = VTHR_EXIT_ERROR;
    unwind_close();
    snapshot_free(&w.snapshot);
    target_close(&w.target);
    if (w.by_name)
        regfree(&w.name);
    if (w.by_wait)
        regfree(&w.wait);
    return r;
}
