#include "runtime/base/options.h"

struct vthr_config vthr_config;
