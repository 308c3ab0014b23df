/* See screen.h.  The few functions and key codes used here are the same in all builds of ncurses 6, so its header is not needed. */
#include "runtime/tool/screen.h"

#include <dlfcn.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REVERSE (1u << 18)
#define ERR (-1)
enum { CODE_DOWN = 0402, CODE_UP = 0403, CODE_HOME = 0406, CODE_NPAGE = 0522, CODE_PPAGE = 0523, CODE_RESIZE = 0632 };

static struct {
    void *(*initscr)(void);
    int (*endwin)(void);
    int (*cbreak)(void);
    int (*noecho)(void);
    int (*curs_set)(int);
    int (*setupterm)(const char *, int, int *);
    int (*keypad)(void *, bool);
    void (*wtimeout)(void *, int);
    int (*wgetch)(void *);
    int (*werase)(void *);
    int (*clearok)(void *, bool);
    int (*wmove)(void *, int, int);
    int (*waddnstr)(void *, const char *, int);
    int (*wattrset)(void *, int);
    int (*wrefresh)(void *);
    int (*getmaxx)(const void *);
    int (*getmaxy)(const void *);
} lib;

static void *window;

static bool look_up(void *handle)
{
    const struct { const char *name; void *to; } all[] = {
        { "initscr", &lib.initscr }, { "endwin", &lib.endwin },     { "cbreak", &lib.cbreak },     { "noecho", &lib.noecho },
        { "curs_set", &lib.curs_set }, { "setupterm", &lib.setupterm }, { "keypad", &lib.keypad }, { "wtimeout", &lib.wtimeout },
        { "wgetch", &lib.wgetch },   { "werase", &lib.werase },     { "clearok", &lib.clearok },     { "wmove", &lib.wmove },       { "waddnstr", &lib.waddnstr },
        { "wattrset", &lib.wattrset }, { "wrefresh", &lib.wrefresh }, { "getmaxx", &lib.getmaxx },
        { "getmaxy", &lib.getmaxy },
    };

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        void *f = dlsym(handle, all[i].name);

        if (!f)
            return false;
        memcpy(all[i].to, &f, sizeof f);
    }
    return true;
}

bool screen_open(void)
{
    const char *term = getenv("TERM");
    void *handle;
    int error;

    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || !term || !*term || strcmp(term, "dumb") == 0)
        return false;
    handle = dlopen("libncursesw.so.6", RTLD_NOW | RTLD_LOCAL);
    /* initscr would end vthr on a terminal that it does not know. */
    if (!handle || !look_up(handle) || lib.setupterm(NULL, STDOUT_FILENO, &error) == ERR)
        return false;
    setlocale(LC_CTYPE, "");
    window = lib.initscr();
    if (!window)
        return false;
    lib.cbreak();
    lib.noecho();
    lib.curs_set(0);
    lib.keypad(window, true);
    return true;
}

void screen_close(void)
{
    if (window)
        lib.endwin();
    window = NULL;
}

int screen_rows(void)
{
    return lib.getmaxy(window);
}

int screen_columns(void)
{
    return lib.getmaxx(window);
}

void screen_clear(void)
{
    lib.werase(window);
}

void screen_redraw(void)
{
    lib.clearok(window, true);
}

void screen_line(int row, const char *text, bool reverse)
{
    int columns = screen_columns(), n = (int)strlen(text);

    lib.wmove(window, row, 0);
    lib.wattrset(window, reverse ? (int)REVERSE : 0);
    lib.waddnstr(window, text, n < columns ? n : columns);
    for (; reverse && n < columns; n++)
        lib.waddnstr(window, " ", 1);
    lib.wattrset(window, 0);
}

void screen_show(void)
{
    lib.wrefresh(window);
}

int screen_key(int milliseconds)
{
    int key;

    lib.wtimeout(window, milliseconds);
    key = lib.wgetch(window);
    switch (key) {
    case ERR:
        return SCREEN_NONE;
    case CODE_UP:
        return SCREEN_UP;
    case CODE_DOWN:
        return SCREEN_DOWN;
    case CODE_NPAGE:
        return SCREEN_PAGE_DOWN;
    case CODE_PPAGE:
        return SCREEN_PAGE_UP;
    case CODE_HOME:
        return SCREEN_HOME;
    case CODE_RESIZE:
        return SCREEN_RESIZED;
    default:
        return key < 256 ? key : SCREEN_NONE;
    }
}
