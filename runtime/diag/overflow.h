/* The report of a stack overflow. */
#pragma once
void overflow_install(void);
