/* vthr [options] [--] CMD [ARG...], and vthr ps|stacks|stat, which view.c does.
 *
 * 1. Options become VTHR_* variables of the environment, after the check that
 *    the library itself makes: a bad one ends vthr with status 125. Variables
 *    that were there before are the library's business.
 * 2. CMD is judged. If nothing can be preloaded into it, one line says so and
 *    it runs natively, with LD_PRELOAD as it was, or not at all if VTHR_STRICT.
 * 3. LD_PRELOAD is extended and CMD executed, in this process. */
#include "runtime/tool/tool.h"
#include "runtime/tool/view.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct option long_options[] = {
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {"carriers", required_argument, NULL, 'c'},
    {"strict", no_argument, NULL, 's'},
    {"stats", no_argument, NULL, 't'},
    {"set", required_argument, NULL, 'S'},
    {"check", no_argument, NULL, 'k'},
    {0},
};
/* '+': options after CMD are CMD's; ':': we print the errors. */
static const char short_options[] = "+:hVc:";

static int set(const char *name, size_t namelen, const char *value)
{
    struct vthr_config ignored;
    char why[256] = "";
    char variable[64];
    if (vthr_config_set(name, namelen, value, &ignored, why, sizeof why) != 0) {
        vthr_tool_say(stderr, "%s", why);
        return VTHR_EXIT_ERROR;
    }
    /* Known names are short, so this one fits. */
    snprintf(variable, sizeof variable, "%.*s", (int)namelen, name);
    if (setenv(variable, value, 1) != 0) {
        vthr_tool_say(stderr, "%s: out of memory: shorten the environment", variable);
        return VTHR_EXIT_ERROR;
    }
    return 0;
}

static int set_named(const char *name, const char *value)
{
    return set(name, strlen(name), value);
}

/* --set NAME=VALUE, in which NAME may lack its prefix. */
static int set_assignment(const char *assignment)
{
    const char *equals = strchr(assignment, '=');
    char *name;
    if (!equals) {
        vthr_tool_say(stderr, "--set %s: no value: write NAME=VALUE", assignment);
        return VTHR_EXIT_ERROR;
    }
    const char *prefix = strncmp(assignment, "VTHR_", 5) == 0 ? "" : "VTHR_";
    int n = asprintf(&name, "%s%.*s", prefix, (int)(equals - assignment), assignment);
    if (n < 0)
        return VTHR_EXIT_ERROR;
    int status = set(name, (size_t)n, equals + 1);
    free(name);
    return status;
}

static int print_and_exit(void (*print)(FILE *))
{
    print(stdout);
    exit(fflush(stdout) == 0 && !ferror(stdout) ? 0 : VTHR_EXIT_ERROR);
}

static void print_version(FILE *to)
{
    fputs("vthr " VTHR_VERSION "\n", to);
}

static int bad_option(char **argv, const char *reason)
{
    vthr_tool_say(stderr, "%s: %s: vthr --help lists all options", argv[optind - 1], reason);
    return VTHR_EXIT_ERROR;
}

static int option(int letter, char **argv, bool *check_only)
{
    switch (letter) {
    case 'h':
        return print_and_exit(vthr_tool_help);
    case 'V':
        return print_and_exit(print_version);
    case 'c':
        return set_named("VTHR_CARRIERS", optarg);
    case 's':
        return set_named("VTHR_STRICT", "1");
    case 't':
        return set_named("VTHR_STATS", "1");
    case 'S':
        return set_assignment(optarg);
    case 'k':
        *check_only = true;
        return 0;
    case ':':
        return bad_option(argv, "needs an argument");
    default:
        return bad_option(argv, "unknown option");
    }
}

static int report(const char *command)
{
    struct vthr_check check;
    vthr_check_command(command, &check);
    if (check.verdict != VTHR_CAN_PRELOAD) {
        vthr_tool_say(stderr, "%s: %s", check.chain, check.why);
        return VTHR_EXIT_CHECK_FAILED;
    }
    vthr_tool_say(stdout, "%s: ok", check.chain);
    return fflush(stdout) == 0 ? 0 : VTHR_EXIT_ERROR;
}

static int run(char **argv)
{
    struct vthr_config config;
    struct vthr_check check;
    /* What is wrong here will be said by the library. */
    vthr_config_parse(environ, &config, NULL, 0);
    if (config.disable)
        return vthr_execute(argv, NULL);

    vthr_check_command(argv[0], &check);
    if (check.verdict == VTHR_CANNOT_RUN)
        return vthr_execute(argv, &check);
    if (check.verdict == VTHR_CANNOT_PRELOAD) {
        vthr_tool_say(stderr, "%s: %s", check.chain, check.why);
        return config.strict ? VTHR_EXIT_ERROR : vthr_execute(argv, &check);
    }
    int status = vthr_preload_add();
    return status != 0 ? status : vthr_execute(argv, &check);
}

int main(int argc, char **argv)
{
    bool check_only = false;
    int letter;
    opterr = 0;
    if (argc > 1 && view_is_command(argv[1]))
        return view_main(argc - 1, argv + 1);
    while ((letter = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
        int status = option(letter, argv, &check_only);
        if (status != 0)
            return status;
    }
    if (optind >= argc) {
        vthr_tool_say(stderr, "no command: vthr [options] [--] CMD [ARG...]");
        return VTHR_EXIT_ERROR;
    }
    return check_only ? report(argv[optind]) : run(argv + optind);
}
