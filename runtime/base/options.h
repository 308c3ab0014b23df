/* The settings in force in this process. */
#pragma once
#include "runtime/base/config.h"

/* Written once by the library's constructor (thread/boot.c), read everywhere. */
extern struct vthr_config vthr_config;
