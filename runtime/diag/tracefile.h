/* VTHR_TRACE. */
#pragma once
/* At activation, if the setting asks for it. */
void tracefile_start(void);
