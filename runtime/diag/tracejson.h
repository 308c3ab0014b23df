/* The lines of a trace file: Chrome's trace event format.  docs: "Trace Event Format", which Perfetto and chrome://tracing read.
 *
 * Process 1 of the trace has the tracks of vthreads, process 2 those of carriers.  Times are ns since the start of the trace.  The array
 * may lack its end. */
#pragma once
#include "runtime/diag/text.h"

enum trace_side { TRACE_THREADS = 1, TRACE_CARRIERS = 2 };

struct trace_slice {
    enum trace_side side;
    uint32_t track;
    uint32_t number;     /* stands behind the name */
    bool numbered;
    uint32_t carrier;    /* that it ran on; 0: none */
    const char *name;    /* ends at 0 */
    size_t max;          /* or here */
    uint64_t from, to;
};

VTHR_BEGIN_DECLS
void tracejson_begin(struct text *t);
void tracejson_end(struct text *t);
/* The name of a track; a thread's number follows it. */
void tracejson_track(struct text *t, enum trace_side side, uint32_t track, const char *name, size_t max);
void tracejson_slice(struct text *t, const struct trace_slice *s);
/* One end of the arrow number `flow`. */
void tracejson_flow(struct text *t, bool begins, enum trace_side side, uint32_t track, uint64_t flow, uint64_t at);
/* Something of a moment: what, more (or NULL). */
void tracejson_instant(struct text *t, enum trace_side side, uint32_t track, const char *what, const char *more, uint64_t at);
void tracejson_lost(struct text *t, uint64_t events, uint64_t at);
VTHR_END_DECLS
