/* See tracejson.h.
 *
 * The writer of a busy program writes some hundred thousand lines a second, and what it takes the program pays for.  So each line is put
 * together in place, in the text's buffer, with nothing checked between its parts: a line is no longer than LINE. */
#include "runtime/diag/tracejson.h"
#include <string.h>

#define NAME_MAX_ 64
#define LINE 384 /* fixed parts are under 100 bytes, names under twice NAME_MAX_, up to five numbers of 20 digits */

/* The end of the line so far is p, always. */
#define PUT(literal) (memcpy(p, literal, sizeof literal - 1), p += sizeof literal - 1)

static char *put_number(char *p, uint64_t v)
{
    char digits[20];
    size_t n = 0;

    do
        digits[n++] = (char)('0' + v % 10);
    while (v /= 10);
    while (n)
        *p++ = digits[--n];
    return p;
}

/* ns as microseconds. */
static char *put_us(char *p, uint64_t ns)
{
    unsigned part = (unsigned)(ns % 1000);

    p = put_number(p, ns / 1000);
    p[0] = '.';
    p[1] = (char)('0' + part / 100);
    p[2] = (char)('0' + part / 10 % 10);
    p[3] = (char)('0' + part % 10);
    return p + 4;
}

static char *put_name(char *p, const char *s, size_t max)
{
    max = max < NAME_MAX_ ? max : NAME_MAX_;
    for (size_t i = 0; i < max && s[i]; i++) {
        char c = s[i] >= ' ' && s[i] <= '~' ? s[i] : '?';

        if (c == '"' || c == '\\')
            *p++ = '\\';
        *p++ = c;
    }
    return p;
}

static char *put_track(char *p, enum trace_side side, uint32_t track)
{
    if (side == TRACE_THREADS)
        PUT("\",\"pid\":1,\"tid\":");
    else
        PUT("\",\"pid\":2,\"tid\":");
    return put_number(p, track);
}

static char *put_time(char *p, uint64_t at)
{
    PUT(",\"ts\":");
    return put_us(p, at);
}

void tracejson_begin(struct text *t)
{
    char *p = text_room(t, LINE);

    PUT("[{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":1,\"tid\":0,\"args\":{\"name\":\"threads\"}}");
    PUT(",\n{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":2,\"tid\":0,\"args\":{\"name\":\"carriers (OS threads)\"}}");
    text_used(t, p);
}

void tracejson_end(struct text *t)
{
    text_put(t, "\n]\n", NULL);
}

void tracejson_track(struct text *t, enum trace_side side, uint32_t track, const char *name, size_t max)
{
    char *p = text_room(t, LINE);

    PUT(",\n{\"ph\":\"M\",\"name\":\"thread_name");
    p = put_track(p, side, track);
    PUT(",\"args\":{\"name\":\"");
    p = put_name(p, name, max);
    if (side == TRACE_THREADS) {
        PUT(" ");
        p = put_number(p, track);
    }
    PUT("\"}}");
    text_used(t, p);
}

void tracejson_slice(struct text *t, const struct trace_slice *s)
{
    char *p = text_room(t, LINE);

    PUT(",\n{\"ph\":\"X\",\"name\":\"");
    p = put_name(p, s->name, s->max);
    if (s->numbered) {
        PUT(" ");
        p = put_number(p, s->number);
    }
    p = put_track(p, s->side, s->track);
    p = put_time(p, s->from);
    PUT(",\"dur\":");
    p = put_us(p, s->to > s->from ? s->to - s->from : 0);
    if (s->carrier) {
        PUT(",\"args\":{\"carrier\":");
        p = put_number(p, s->carrier);
        PUT("}");
    }
    PUT("}");
    text_used(t, p);
}

void tracejson_flow(struct text *t, bool begins, enum trace_side side, uint32_t track, uint64_t flow, uint64_t at)
{
    char *p = text_room(t, LINE);

    if (begins)
        PUT(",\n{\"ph\":\"s\",\"name\":\"wake\",\"cat\":\"wake");
    else /* it ends in the slice that begins then */
        PUT(",\n{\"ph\":\"f\",\"bp\":\"e\",\"name\":\"wake\",\"cat\":\"wake");
    p = put_track(p, side, track);
    PUT(",\"id\":");
    p = put_number(p, flow);
    p = put_time(p, at);
    PUT("}");
    text_used(t, p);
}

void tracejson_instant(struct text *t, enum trace_side side, uint32_t track, const char *what, const char *more, uint64_t at)
{
    char *p = text_room(t, LINE);

    PUT(",\n{\"ph\":\"i\",\"s\":\"t\",\"name\":\"");
    p = put_name(p, what, NAME_MAX_);
    if (more)
        p = put_name(p, more, NAME_MAX_);
    p = put_track(p, side, track);
    p = put_time(p, at);
    PUT("}");
    text_used(t, p);
}

void tracejson_lost(struct text *t, uint64_t events, uint64_t at)
{
    char *p = text_room(t, LINE);

    PUT(",\n{\"ph\":\"i\",\"s\":\"g\",\"name\":\"");
    p = put_number(p, events);
    PUT(" events lost");
    p = put_track(p, TRACE_THREADS, 0);
    p = put_time(p, at);
    PUT("}");
    text_used(t, p);
}
