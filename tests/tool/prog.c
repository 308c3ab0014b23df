/* Prints LD_PRELOAD and whether the stub library is there; exits with argv[1]. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

__attribute__((weak)) extern int vthr_tool_stub;

int main(int argc, char **argv)
{
    const char *preload = getenv("LD_PRELOAD");
    printf("preload=%s loaded=%s\n", preload ? preload : "", &vthr_tool_stub ? "yes" : "no");
    return argc > 1 ? atoi(argv[1]) : 0;
}
