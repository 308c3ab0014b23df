/* A terminal's whole screen, by ncurses, which is opened at run time: only vthr top needs it. */
#ifndef VTHR_TOOL_SCREEN_H
#define VTHR_TOOL_SCREEN_H

#include <stdbool.h>

enum screen_key { SCREEN_UP = 256, SCREEN_DOWN, SCREEN_PAGE_UP, SCREEN_PAGE_DOWN, SCREEN_HOME, SCREEN_RESIZED, SCREEN_NONE };

/* False: there is no terminal, or none that can do this, or no ncurses. */
bool screen_open(void);
void screen_close(void);
int screen_rows(void);
int screen_columns(void);
void screen_clear(void);
/* The next screen_show writes all of it: something else may have written there. */
void screen_redraw(void);
/* Cut off at the right. */
void screen_line(int row, const char *text, bool reverse);
void screen_show(void);
/* A character, or an enum screen_key; SCREEN_NONE: none came in time. */
int screen_key(int milliseconds);

#endif
