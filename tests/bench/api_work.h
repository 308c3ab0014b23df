/* What api.c measures. */
#pragma once

struct work {
	const char *name;
	void (*run)(long n);   /* n operations; n is even */
};
extern const struct work all_work[];   /* the last has no name */

void bench_check(int error, const char *what);
