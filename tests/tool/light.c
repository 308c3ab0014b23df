/* light LIB EMPTY PROGRAM: page faults of PROGRAM's start under LIB and under EMPTY, a preload library that does nothing.
 *
 * Every program that is started under the library pays for it, and in guests whose page tables are shadowed a fault costs as
 * much as a hundred system calls.  Addresses are not randomised, and the least of several runs counts: then the numbers are
 * the same every time.  Status 1 when LIB costs more than ALLOWED faults above EMPTY. */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define ALLOWED 4
#define RUNS 20

static long faults(const char *library, char *program)
{
    char setting[4096];
    char *argv[] = { program, NULL }, *envp[] = { setting, NULL };
    long least = -1;

    snprintf(setting, sizeof setting, "LD_PRELOAD=%s", library);
    for (int i = 0; i < RUNS; i++) {
        struct rusage used;
        int status;
        pid_t child;

        if (posix_spawn(&child, program, NULL, NULL, argv, envp) || wait4(child, &status, 0, &used) != child || status) {
            fprintf(stderr, "%s under %s failed\n", program, library);
            exit(2);
        }
        if (least < 0 || used.ru_minflt + used.ru_majflt < least)
            least = used.ru_minflt + used.ru_majflt;
    }
    return least;
}

int main(int argc, char **argv)
{
    long ours, least;

    if (argc != 4)
        return 2;
    if (personality(ADDR_NO_RANDOMIZE) == -1) {
        fprintf(stderr, "addresses cannot be made the same every time\n");
        return 77;
    }
    least = faults(argv[2], argv[3]);
    ours = faults(argv[1], argv[3]);
    printf("%ld page faults with a library that does nothing, %ld with ours\n", least, ours);
    return ours > least + ALLOWED;
}
