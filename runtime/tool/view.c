/* vthr ps|stacks|stat|top [options] PID|COREFILE, vthr core PID|COREFILE -o FILE: look at the vthreads of a process, which does not notice,
 * or, with --stop, stands still for as long as it takes, or at those of a core file.  A command that is called by one of these names
 * is run by "vthr -- ps". */
#include "runtime/tool/view.h"
#include "runtime/tool/tool.h"
#include "runtime/tool/unwind.h"

#include <stdlib.h>
#include <string.h>

bool view_is_command(const char *name)
{
    static const char *const all[] = { "ps", "stacks", "stat", "top", "core" };

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(name, all[i]) == 0)
            return true;
    return false;
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

void view_start(struct target *t, const struct vt *v, char *to, size_t size)
{
    uint64_t offset;
    const char *name = v->start ? symbol_at(t, v->start, &offset) : NULL;

    if (v->number == 0)
        snprintf(to, size, "main");
    else if (name)
        snprintf(to, size, "%s", name);
    else
        snprintf(to, size, "%#lx", (unsigned long)v->start);
}

void view_state(const struct vt *v, char *to, size_t size)
{
    if (v->carrier_tid)
        snprintf(to, size, "%s %u", vt_state_names[v->state], v->carrier_tid);
    else
        snprintf(to, size, "%s", vt_state_names[v->state]);
}

void view_printable(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < ' ' || *s == 0x7f)
            *s = '?';
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

/* What they print, when there is something to print. */
static int show(struct view *w, const char *command)
{
    int r = 0;

    if (strcmp(command, "stacks") == 0)
        r = view_stacks(w, stdout);
    else if (strcmp(command, "ps") == 0)
        r = view_ps(w, stdout);
    else if (strcmp(command, "stat") == 0)
        view_stat(w, stdout);
    return !r && (fflush(stdout) != 0 || ferror(stdout)) ? VTHR_EXIT_ERROR : r;
}

int view_main(int argc, char **argv)
{
    struct view w = { .delay = 1 };
    const char *which;
    int r = view_options(&w, argc, argv, &which);

    if (!r)
        r = target_open(&w.target, which);
    if (!r && strcmp(argv[0], "top") == 0)
        r = view_top(&w);
    else if (!r)
        r = take(&w, strcmp(argv[0], "stacks") == 0, strcmp(argv[0], "core") == 0);
    if (!r)
        r = show(&w, argv[0]);
    unwind_close();
    snapshot_free(&w.snapshot);
    target_close(&w.target);
    if (w.by_name)
        regfree(&w.name);
    if (w.by_wait)
        regfree(&w.wait);
    return r;
}
