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
          "Run CMD with its threads turned into virtual threads.\n"
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
          "Settings (environment variables, which options override):\n",
          to);
    for (size_t i = 0; i < vthr_settings_count; i++)
        print_setting(to, &vthr_settings[i]);
    fputs("\n"
          "Exit status: that of CMD; 125 if vthr fails, 126 if CMD cannot be run,\n"
          "127 if it is not found. --check: 0 or 1.\n",
          to);
}
