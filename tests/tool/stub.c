/* Stands in for libvthr.so: only its presence in a process is looked at. */
int vthr_tool_stub = 1;
