/* vthr --help. The settings come from the library's own table. */
#include "runtime/tool/tool.h"

static void value_of(const struct vthr_setting *s, char *text, size_t size)
{
    switch (s->kind) {
    case VTHR_SETTING_BOOL:
        snprintf(text, size, "0|1");
        break;
    case VTHR_SETTING_UINT:
        snprintf(text, size, "%u..%u", s->min, s->max);
        break;
    case VTHR_SETTING_SCHED:
        snprintf(text, size, "fifo|random[:SEED]");
        break;
    case VTHR_SETTING_SIGNAL:
        snprintf(text, size, "SIGNAL");
        break;
    case VTHR_SETTING_PATH:
        snprintf(text, size, "FILE");
        break;
    case VTHR_SETTING_LIMIT:
        snprintf(text, size, "N[:wait|:eagain]");
        break;
    case VTHR_SETTING_LIST:
        snprintf(text, size, "OBJECT[!ROUTINE],...");
        break;
    }
}

static void print_setting(FILE *to, const struct vthr_setting *s)
{
    char value[32];
    value_of(s, value, sizeof value);
    fprintf(to, "  %s=%s\n      %s (default: %s)\n", s->name, value, s->help, s->default_value);
}

void vthr_tool_help(FILE *to)
{
    fputs("Usage: vthr [options] [--] CMD [ARG...]\n"
          "       vthr --check CMD\n"
          "       vthr ps|stacks|stat|top [filters] PID|COREFILE\n"
          "       vthr core PID|COREFILE -o FILE\n"
          "Run CMD with its threads turned into virtual threads, or look at those of\n"
          "process PID, or of one that left a core file.\n"
          "\n"
          "Options:\n"
          "  -c, --carriers N      run virtual threads on N OS threads\n"
          "      --stats           print counters at exit\n"
          "      --strict          do not run CMD natively when something is wrong\n"
          "      --set NAME=VALUE  any setting below, with or without VTHR_\n"
          "      --check           only say whether CMD can be run with virtual threads\n"
          "  -h, --help            print this\n"
          "  -V, --version         print the version\n"
          "\n"
          "Looking at a process that runs with virtual threads:\n"
          "  vthr ps PID           what each one does, what it waits for and since when\n"
          "  vthr stacks PID       their stacks, each different one once; deadlocks\n"
          "  vthr stat PID         counters\n"
          "  vthr top PID          what each one does, again and again\n"
          "      --name REGEX      only those of that name\n"
          "      --state STATE,... parked, ready, running, blocked\n"
          "      --wait REGEX      only those that wait for that, as ps shows it\n"
          "      --older SECONDS   only those that have waited for so long\n"
          "      --json            for programs\n"
          "      --stop            stop the process meanwhile, for a view of one moment\n"
          "      --tree            ps: tasks below the one that opened their scope\n"
          "      --prometheus      stat: in the Prometheus text format\n"
          "      --sort KEY        top: activity, age, id, name, state or wait\n"
          "  -d, --delay SECONDS   top: between two looks (default: 1)\n"
          "  -n, --times N         top: how many looks\n"
          "  vthr core PID|COREFILE -o FILE\n"
          "                        a core file in which each one is a thread, for any debugger\n"
          "(vthr -- ps runs the command of that name.)\n"
          "\n"
          "Settings (environment variables, which options override):\n",
          to);
    for (size_t i = 0; i < vthr_settings_count; i++)
        print_setting(to, &vthr_settings[i]);
    fputs("\n"
          "Exit status: that of CMD; 125 if vthr fails, 126 if CMD cannot be run,\n"
          "127 if it is not found. --check: 0 or 1. Looking at a process: 0; 1 if there\n"
          "is none, 2 if that is not permitted, 3 if it has no virtual threads, 4 if its\n"
          "libvthr.so is of an unknown format, 125 if vthr fails.\n",
          to);
}
