/* Names of C++ functions as they are written in the program. */
#ifndef VTHR_TOOL_DEMANGLE_H
#define VTHR_TOOL_DEMANGLE_H

/* To be freed.  NULL: not a C++ name, or there is no C++ library here that knows. */
char *demangle(const char *name);

#endif
