#include "runtime/base/options.h"

struct vthr_config vthr_config = VTHR_CONFIG_DEFAULTS;
