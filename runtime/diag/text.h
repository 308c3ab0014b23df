/* Text for a descriptor, where stdio may be in use by those who are looked at: a buffer, decimal and hexadecimal numbers. */
#pragma once
#include "runtime/base/compiler.h"

struct text {
    int fd;
    bool failed; /* the rest goes nowhere */
    size_t n, size;
    char *buf;
    char own[4096];
};

VTHR_BEGIN_DECLS
void text_begin(struct text *t, int fd);
void text_enlarge(struct text *t, char *buf, size_t size); /* where there is much to write; buf stays the caller's */
void text_end(struct text *t); /* writes what is left */
/* Where up to n bytes (less than its own buffer has) can be put, and, right after it, where they end. */
char *text_room(struct text *t, size_t n);
void text_used(struct text *t, char *end);
void text_bytes(struct text *t, const char *s, size_t n);
/* The parts, up to a NULL. */
void text_put(struct text *t, const char *part, ...) __attribute__((sentinel));
void text_number(struct text *t, uint64_t v);
void text_padded(struct text *t, uint64_t v, unsigned width); /* with blanks before it */
void text_hex(struct text *t, uint64_t v);                    /* with 0x */
/* Bytes of the program's: what is not printable ASCII becomes '?'. */
void text_name(struct text *t, const char *s, size_t max);
/* The number at s, with or without 0x; *end: behind it. */
uintptr_t text_parse_hex(const char *s, const char **end);
VTHR_END_DECLS
