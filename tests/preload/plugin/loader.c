// A library that opens others by bare names: they are found by its own RUNPATH, which is $ORIGIN/plugins.
#include <dlfcn.h>

void *loader_open(const char *name);
int loader_opened;

void *loader_open(const char *name)
{
    void *lib = dlopen(name, RTLD_NOW);
    loader_opened += lib != 0; // after the call: it must return to this library
    return lib;
}
